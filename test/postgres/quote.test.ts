import { expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

/** Names and keys that SQL would take for something else where they are not quoted. */
const odd = defineFixture({
  name: 'odd',
  table: `o'dd "Table"; --`,
  count: 20,
  columns: { select: 'text', 'Na"me': 'text' },
  constants: { "o'rder": { type: 'text', value: `it's "so"` }, $1: { type: 'text', value: 'p-1' } },
  conflictKeys: [['select'], ['Na"me']],
  numberedKeys: {
    select: { prefix: `o'k-`, digits: 2, suffix: `\\'` },
    'Na"me': { prefix: `n'`, digits: 2, suffix: '' },
  },
  mark: { column: 'select', prefix: `o'k-` },
  *rows(first, last) {
    for (let g = first; g <= last; g++) {
      const number = String(g).padStart(2, '0');
      yield [`o'k-${number}\\'`, `n'${number}`];
    }
  },
});

it('names and texts mean themselves, whatever is in them', async () => {
  await database.query(
    `create table "pa'rent" ("i""d" text primary key); insert into "pa'rent" values ('p-1');
     create table "o'dd ""Table""; --" ("select" text primary key, "Na""me" text unique, "o'rder" text,
       "$1" text constraint "it's one" references "pa'rent");
     create table "Hang's" ("o'f" text references "o'dd ""Table""; --" on delete cascade)`,
  );
  const run = { databaseUrl: database.url, fixtures: [odd] };
  expect((await load({ ...run, dryRun: true })).fixtures[0]).toMatchObject({ inserted: 20 });
  expect((await load(run)).fixtures[0]).toMatchObject({ inserted: 20, foreignKeys: { check: 'set' } });
  expect((await load({ ...run, mode: 'exclusive' })).fixtures[0]).toMatchObject({ skipped: 20 });
  await database.query(
    `insert into "Hang's" select "select" from "o'dd ""Table""; --" limit 3;
     update "o'dd ""Table""; --" set "o'rder" = null where right("Na""me", 1) = '5'`,
  );
  const hanging = [{ table: "public.Hang's", rows: 3 }];
  expect((await verify(run)).fixtures[0]).toMatchObject({ driftedRows: 2, hanging });
  expect((await reset({ ...run, dryRun: true })).fixtures[0]).toMatchObject({ dependents: hanging });
  expect((await reset(run)).fixtures[0]).toMatchObject({ restored: 20, dependents: hanging });
  expect((await verify(run)).intact).toBe(true);
  expect((await clean(run)).fixtures[0]).toMatchObject({ deleted: 20 });
});
