import { beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const fixture = defineFixture({
  name: 'things',
  table: 'things',
  count: 20,
  columns: { id: 'text' },
  conflictKeys: [['id']],
  mark: { column: 'id', prefix: 'r-' },
  *rows(first, last) {
    for (let g = first; g <= last; g++) yield [`r-${g}`];
  },
});

describe.each(['cascade', 'set null', 'restrict'])(
  'a foreign key on delete %s whose triggers are disabled',
  (action) => {
    beforeEach(async () => {
      await database.query(
        `drop table if exists parts, things; create table things (id text primary key);
       create table parts (id text primary key, thing text references things on delete ${action})`,
      );
      await load({ databaseUrl: database.url, fixtures: [fixture], settle: false });
      await database.query(
        `insert into parts select g, 'r-' || g from generate_series(1, 5) g; alter table things disable trigger all`,
      );
    });

    it.each(['set', 'row'])('forbids a deletion by %s, dry or not', async (check) => {
      const url = new URL(database.url);
      if (check === 'row') {
        [url.username, url.password] = [await database.role(), 'pw'];
        await database.query(`grant all on things, parts to ${url.username}`);
      }
      for (const dryRun of [true, false])
        await expect(clean({ databaseUrl: url.href, fixtures: [fixture], dryRun })).rejects.toMatchObject({
          code: 'conflict',
          message: expect.stringContaining('5 in public.parts') as string,
        });
      expect(await database.value(`select count(*)::int from parts join things on thing = things.id`)).toBe(
        5,
      );
    });

    it('leaves its rows hanging for verify and reset', async () => {
      const options = { databaseUrl: database.url, fixtures: [fixture], settle: false };
      const hanging = [{ table: 'public.parts', rows: 5 }];
      expect((await verify(options)).fixtures[0]).toMatchObject({ intact: false, hanging });
      expect((await reset(options)).fixtures[0]?.dependents).toMatchObject(hanging);
      expect((await verify(options)).intact).toBe(true);
    });
  },
);
