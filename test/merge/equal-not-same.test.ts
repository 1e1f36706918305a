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
     create domain ci as citext; create domain cis as citext[]`,
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
