import { describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture, FixtureDefinition } from '../../src/fixtures/fixture.js';
import { load } from '../../src/operations/load.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

/** Two rows of table `own`. */
function fixtureOf(parts: Partial<FixtureDefinition> = {}): Fixture {
  return defineFixture({
    name: 'own',
    table: 'own',
    count: 2,
    columns: { id: 'text', name: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'a-' },
    *rows(first: number, last: number) {
      for (let g = first; g <= last; g++) yield [`a-${g}`, `n-${g}`];
    },
    ...parts,
  });
}

const run = (fixture: Fixture) => ({ databaseUrl: database.url, fixtures: [fixture], settle: false });

/** What load and verify say to a fixture of a table with such columns and constraints; nothing is loaded. */
async function refusal(table: string, parts: Partial<FixtureDefinition>): Promise<unknown> {
  await database.query(`create table own (${table.replace(';', '); ')}${table.includes(';') ? '' : ')'}`);
  const fixture = fixtureOf(parts);
  const errors = await Promise.all(
    [load(run(fixture)), verify(run(fixture))].map((work) => work.catch((error: unknown) => error)),
  );
  const loaded = await database.value('select count(*) from own');
  await database.query('drop table own');
  expect(errors[1]).toMatchObject({ message: (errors[0] as Error).message });
  expect(loaded).toBe('0');
  return errors[0];
}

describe('a conflict key', () => {
  it.each<[string, string, string[][], string]>([
    [
      'without any index',
      'id text, name text',
      [['id']],
      '(id) is not a unique key of table own, which has none',
    ],
    [
      'with a plain index',
      'id text, name text unique; create index on own (id)',
      [['id']],
      '(id) is not a unique key of table own, which has (name)',
    ],
    [
      'with an index over a part of the rows',
      `id text, name text; create unique index on own (id) where name <> ''`,
      [['id']],
      'which has none',
    ],
    [
      'with an index over an expression',
      'id text, name text; create unique index on own (lower(id))',
      [['id']],
      'which has none',
    ],
    ['that is deferrable', 'id text primary key deferrable, name text', [['id']], 'which has none'],
    [
      'that is a part of one',
      'id text, name text, primary key (id, name)',
      [['id']],
      '(id) is not a unique key of table own, which has (id, name)',
    ],
    [
      'that has more than one',
      'id text primary key, name text',
      [['id', 'name']],
      '(id, name) is not a unique key of table own, which has (id)',
    ],
    [
      'that is a second one',
      'id text primary key, name text',
      [['id'], ['name']],
      '(name) is not a unique key of table own, which has (id)',
    ],
  ])('%s is refused', async (_, table, conflictKeys, message) => {
    expect(await refusal(table, { conflictKeys })).toMatchObject({
      code: 'fixture',
      message: expect.stringContaining(message) as string,
      state: 'nothing was changed',
    });
  });

  it.each([
    ['in another order', 'id text, name text, unique (name, id)', [['id', 'name']]],
    ['with columns that the index only includes', 'id text, name text, unique (id) include (name)', [['id']]],
    ['of a partitioned table', 'id text primary key, name text) partition by hash (id', [['id'], ['name']]],
  ])('%s is taken', async (_, table, conflictKeys) => {
    await database.query(`create table own (${table})`);
    if (table.includes('partition'))
      await database.query('create table p partition of own for values with (modulus 1, remainder 0)');
    expect((await load(run(fixtureOf({ conflictKeys })))).fixtures[0]).toMatchObject({ inserted: 2 });
    await database.query('drop table own');
  });
});

describe('what the table or the server does not have', () => {
  it.each<[string, string, Partial<FixtureDefinition>, string, string | undefined]>([
    [
      'a mark on a number',
      'id text primary key, name int',
      { columns: { id: 'text', name: 'my_name' }, mark: { column: 'name', prefix: 'n' } },
      'its mark is on column name of table own, which is of type integer',
      undefined,
    ],
    [
      'a mark on an enum',
      'id text primary key, name mood',
      { columns: { id: 'text', name: 'mood' }, mark: { column: 'name', prefix: 'n' } },
      'which is of type mood and has no prefix',
      undefined,
    ],
    [
      'a type that is misspelt',
      'id text primary key, name text',
      { columns: { id: 'text', name: 'varchr(5)' } },
      'column name: the server has no type varchr(5)',
      'did you mean varchar?',
    ],
    [
      'a type that is a word of SQL',
      'id text primary key, name text',
      { columns: { id: 'text', name: 'select' } },
      'column name: the server has no type select',
      undefined,
    ],
    [
      'a type in a schema that is not there',
      'id text primary key, name text',
      { columns: { id: 'text', name: 'nowhere.mood[]' } },
      'column name: the server has no type nowhere.mood[]',
      'create it, or give the column another',
    ],
    [
      'a live column',
      'id text primary key, name text, last_seen_at timestamptz',
      { live: ['last_seen'] },
      'table own has no column last_seen',
      'did you mean last_seen_at? else migrate the database to a version of certctl that has it',
    ],
  ])('%s is refused', async (_, table, parts, message, hint) => {
    await database.query(`create type mood as enum ('n-1', 'n-2')`);
    const error = await refusal(table, parts);
    await database.query('drop type mood');
    expect(error).toMatchObject({
      message: expect.stringContaining(message) as string,
      state: 'nothing was changed',
      ...(hint === undefined ? {} : { hint }),
    });
  });

  it('does not keep types of its own from being used', async () => {
    await database.query(`create schema types; create type types.mood as enum ('n-1', 'n-2');
      create table own (id text primary key, name types.mood, last_seen_at timestamptz)`);
    const fixture = fixtureOf({
      columns: { id: 'text', name: 'types.mood' },
      live: ['name', 'last_seen_at'],
    });
    expect((await load(run(fixture))).fixtures[0]).toMatchObject({ inserted: 2 });
    expect((await verify(run(fixture))).intact).toBe(true);
    await database.query('drop table own; drop schema types cascade');
  });
});
