import { expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { load } from '../../src/operations/load.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

it.each([
  ['count', { id: { prefix: 'r-', digits: 5, suffix: '' } }, 0],
  ['count, and some of which stand', { id: { prefix: 'r-', digits: 5, suffix: '' } }, 3000],
  ['do not count', {}, 0],
  ['do not count, and some of which stand', {}, 3000],
])('rows that are added and hidden count as added where keys %s', async (_, numberedKeys, standing) => {
  const role = await database.role();
  await database.query(
    `drop table if exists things; create table things (id text primary key);
     alter table things enable row level security; grant select, insert on things to ${role};
     create policy few on things using (id < 'r-05000') with check (true)`,
  );
  await database.query(
    `insert into things select 'r-' || lpad(g::text, 5, '0') from generate_series(1, $1) g`,
    [standing],
  );
  const fixture = defineFixture({
    name: 'hidden',
    table: 'things',
    count: 10_000,
    columns: { id: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'r-' },
    numberedKeys,
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`r-${String(g).padStart(5, '0')}`];
    },
  });
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'pw'];
  const { fixtures } = await load({ databaseUrl: url.href, fixtures: [fixture], settle: false });
  expect(await database.value('select count(*)::int from things')).toBe(10_000);
  expect(fixtures[0]).toMatchObject({
    inserted: 10_000 - standing,
    skipped: standing,
    blocked: 0,
    present: 10_000,
    firstBlocked: null,
    confirmation: 'hidden: 10000 things rows present',
  });
});
