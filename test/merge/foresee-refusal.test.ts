import { beforeEach, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const OPERATIONS = { clean, reset };
const fixture = defineFixture({
  name: 'things',
  table: 'things',
  count: 20,
  columns: { id: 'text' },
  conflictKeys: [['id']],
  mark: { column: 'id', prefix: 'r-' },
  numberedKeys: { id: { prefix: 'r-', digits: 2, suffix: '' } },
  *rows(first, last) {
    for (let g = first; g <= last; g++) yield [`r-${String(g).padStart(2, '0')}`];
  },
});

beforeEach(async () => {
  await database.query(
    `drop publication if exists few; drop table if exists parts, things; create table things (id text unique);
     create table parts (thing text references things (id) on delete cascade)`,
  );
  await load({ databaseUrl: database.url, fixtures: [fixture], settle: false });
  await database.query(`insert into parts values ('r-07')`);
});

it.each([
  ['clean', 'set', 'delete', 'things'],
  ['clean', 'row', 'delete', 'things'],
  ['reset', 'set', 'delete', 'things'],
  ['reset', 'row', 'update', 'things'],
  ['reset', 'set', 'delete', 'parts'],
  ['reset', 'row', 'delete', 'parts'],
] as const)(
  'a %s by %s is refused, dry or not, where a publication of %ss cannot name rows of %s',
  async (name, check, change, table) => {
    const url = new URL(database.url);
    if (check === 'row') {
      [url.username, url.password] = [await database.role(), 'pw'];
      await database.query(`grant all on things, parts to ${url.username}`);
    }
    const run = (dryRun: boolean) =>
      OPERATIONS[name]({ databaseUrl: url.href, fixtures: [fixture], settle: false, dryRun });
    const publish = (what: string) =>
      database.query(`create publication few for table ${table} with (publish = '${what}')`);
    await publish('insert');
    await run(true);
    await database.query('drop publication few');
    await publish(change);
    for (const dryRun of [true, false])
      await expect(run(dryRun)).rejects.toMatchObject({
        message: expect.stringContaining(
          `table "${table}" because it does not have a replica identity`,
        ) as string,
        hint: expect.stringContaining('REPLICA IDENTITY') as string,
        state: expect.stringContaining('nothing was changed') as string,
      });
  },
);
