import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

beforeAll(() =>
  database.query(
    `create extension citext;
     create collation nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     create domain nd_text as text collate nd; create domain nd_again as nd_text; create domain nd_texts as text[] collate nd;
     create domain ci as citext; create domain cis as citext[];
     create domain chars as char(5)[]; create domain amount as numeric; create domain five as char(5)`,
  ),
);

beforeEach(() => database.query('drop table if exists things cascade'));

type Parts = Partial<Parameters<typeof defineFixture>[0]>;

const run = (fixture: Fixture) => ({ databaseUrl: database.url, fixtures: [fixture], settle: false });

describe('a row of somebody else’s whose key is only equal', () => {
  const fixtureOf = (isArray: boolean, parts: Parts = {}): Fixture =>
    defineFixture({
      name: 'things',
      table: 'things',
      count: 3,
      columns: { id: isArray ? 'text[]' : 'text', v: 'text' },
      conflictKeys: [['id']],
      mark: { column: 'v', prefix: 'mine' },
      *rows(first: number, last: number) {
        for (let g = first; g <= last; g++) yield [isArray ? [`Q-${g}`] : `Q-${g}`, 'mine'];
      },
      ...parts,
    });
  const counting: Parts = { numberedKeys: { id: { prefix: 'Q-', digits: 1, suffix: '' } } };

  it.each<[type: string, parts?: Parts]>([
    ['text collate nd'],
    ['text collate nd', counting],
    ['nd_text'],
    ['nd_text', counting],
    ['nd_again', counting],
    ['ci'],
    ['ci', counting],
    ['citext[]'],
    ['cis'],
    ['text[] collate nd'],
    ['nd_texts'],
  ])('blocks the fixture’s, and is left alone: %s', async (type, parts) => {
    const isArray = /\[|s$/.test(type);
    const other = isArray ? '{q-1}' : 'q-1';
    await database.query(
      `create table things (id ${type} primary key, v text); insert into things values ('${other}', 'real')`,
    );
    const fixture = fixtureOf(isArray, parts);
    expect((await load(run(fixture))).fixtures[0]).toMatchObject({
      inserted: 2,
      blocked: 1,
      firstBlocked: { by: `row ${other}, which has the same id` },
    });
    expect((await verify(run(fixture))).fixtures[0]).toMatchObject({ missing: { rows: 1 }, driftedRows: 0 });
    expect((await reset(run(fixture))).fixtures[0]).toMatchObject({ restored: 2, blocked: 1 });
    expect((await clean(run(fixture))).fixtures[0]).toMatchObject({ deleted: 2 });
    expect(await database.query('select id::text, v from things')).toEqual([{ id: other, v: 'real' }]);
  });
});

describe('a value that is only equal', () => {
  const fixtureOf = (type: string, value: unknown, key: string, keyValue: unknown): Fixture =>
    defineFixture({
      name: 'things',
      table: 'things',
      count: 1,
      columns: { id: key, v: type, mark: 'text' },
      constants: { w: { type, value } },
      conflictKeys: [['id']],
      mark: { column: 'mark', prefix: 'mine' },
      *rows() {
        yield [keyValue, value, 'mine'];
      },
    });

  const ways: [way: string, sql: string][] = [
    ['by set', ''],
    [
      'by row',
      `create function nothing() returns trigger language plpgsql as $$begin return new; end$$;
       create trigger nothing before update on things for each row execute function nothing()`,
    ],
  ];
  const both = async (drifted: string[], fixture: Fixture, table: string, change: string): Promise<void> => {
    for (const [way, sql] of ways) {
      await database.query(`drop table if exists things; drop function if exists nothing; ${table}; ${sql}`);
      const { verified } = await load({ ...run(fixture), verify: true });
      expect(verified?.intact, way).toBe(true);
      const before = await database.query('select things::text from things');
      await database.query(change);
      const { fixtures } = await verify(run(fixture));
      expect(
        fixtures[0]?.drift.map(({ column }) => column),
        way,
      ).toEqual(drifted);
      await reset(run(fixture));
      // In that state the load found it intact.
      expect(await database.query('select things::text from things'), way).toEqual(before);
    }
  };

  it.each<[type: string, value: unknown, changed: string, declared?: string]>([
    ['numeric', '1.50', '1.5'],
    ['amount', '1.50', '1.500', 'numeric'],
    ['numeric[]', ['1.50'], '{1.5}'],
    ['double precision', '-0', '0'],
    ['real', 0, '-0'],
    ['json', { a: 1, b: 2 }, '{"b":2,"a":1}'],
    ['json', { a: 1 }, '{"a":0,"a":1}'],
    ['json', { a: 1 }, '{ "a": 1 }'],
    ['jsonb', { a: 1.5 }, '{"a": 1.50}'],
    ['bpchar', 'a ', 'a'],
    ['interval', '1 day', '24:00:00'],
    ['citext', 'A', 'a'],
    ['nd_text', 'A', 'a', 'text'],
    ['chars', ['a'], '{b}', 'text[]'],
    ['five', 'a', 'b', 'text'],
  ])('of type %s is drift, and put back: %j, and %s', async (type, value, changed, declared = type) => {
    await both(
      ['v', 'w'],
      fixtureOf(declared, value, 'text', 'k'),
      `create table things (id text primary key, v ${type}, w ${type}, mark text)`,
      `update things set v = '${changed}', w = '${changed}'`,
    );
  });

  it.each<[type: string, value: unknown, changed: string]>([
    ['numeric', '1.50', '1.5000'],
    ['numeric(8,2)', '1.5', '1.50'],
    ['double precision', 0, '-0'],
    ['interval', '1 day', '24:00:00'],
    ['jsonb', { a: 1.5 }, '{"a": 1.50}'],
    ['bpchar', 'a', 'a '],
    ['char(5)', 'a', 'a '],
  ])('and a key of type %s: %j, and %s', async (type, value, changed) => {
    await both(
      type.includes('(') ? [] : ['id'],
      fixtureOf('text', 'v', type, value),
      `create table things (id ${type} primary key, v text, w text, mark text)`,
      `update things set id = '${changed}'`,
    );
  });

  it.each([{ a: '\ud800' }, { a: '\0' }])(
    'that jsonb does not take is verified in json: %j',
    async (value) => {
      await database.query('create table things (id text primary key, v json, w json, mark text)');
      const fixture = fixtureOf('json', value, 'text', 'k');
      expect((await load({ ...run(fixture), verify: true })).verified?.intact).toBe(true);
      await database.query(`update things set v = '{"a":1e999999}'`);
      expect((await verify(run(fixture))).fixtures[0]?.drift).toMatchObject([{ column: 'v', rows: 1 }]);
    },
  );
});
