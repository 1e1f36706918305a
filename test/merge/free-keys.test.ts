import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

beforeAll(() =>
  database.query(
    `create extension citext; create domain label as varchar(60) check (value ~ '^[a-z0-9-]+$');
     create function nothing() returns trigger language plpgsql as 'begin return null; end'`,
  ),
);

beforeEach(() => database.query('drop table if exists tagged'));

/** Three rows, each with a key of its own besides that which identifies it. */
const taggedWith = (type: string, keys: readonly unknown[]) =>
  defineFixture({
    name: 'tagged',
    table: 'tagged',
    count: 3,
    columns: { id: 'text', tag: type },
    conflictKeys: [['id'], ['tag']],
    mark: { column: 'id', prefix: 'a-' },
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`a-${g}`, keys[g - 1]];
    },
  });

const WORDS = ['one', 'two', 'three'];
const UUIDS = [1, 2, 3].map((g) => `00000000-0000-4000-8000-00000000000${g}`);

describe('rows that have swapped their keys get them back where they are updated', () => {
  it.each<[column: string, declared: string, keys: readonly unknown[]]>([
    ['text not null', 'text', WORDS],
    ['varchar(60) not null', 'text', WORDS],
    ['char(60) not null', 'text', WORDS],
    ['citext not null', 'text', WORDS],
    ['label not null', 'text', WORDS],
    ['varchar(5)', 'text', WORDS],
    ['uuid', 'uuid', UUIDS],
    ['integer', 'integer', [1, 2, 3]],
    ['date', 'date', ['2026-01-01', '2026-01-02', '2026-01-03']],
  ])('%s', async (column, declared, keys) => {
    await database.query(
      `create table tagged (id text primary key, tag ${column}); create unique index tags on tagged (tag);
       create trigger own after update on tagged for each row execute function nothing()`,
    );
    const fixture = taggedWith(declared, keys);
    const run = { databaseUrl: database.url, fixtures: [fixture], settle: false };
    await load(run);
    await database.query(`drop index tags;
      update tagged set tag = (select tag from tagged as other
        where other.id = case tagged.id when 'a-1' then 'a-2' else 'a-1' end) where id <> 'a-3';
      create unique index tags on tagged (tag)`);
    expect((await verify(run)).fixtures[0]).toMatchObject({ driftedRows: 2 });
    expect((await reset(run)).fixtures[0]).toMatchObject({ restored: 3, inserted: 0 });
    expect((await verify(run)).intact).toBe(true);
  });
});
