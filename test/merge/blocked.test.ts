import { beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { ci } from '../../src/operations/ci.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const ROWS = 3_000;

/** Rows r-0001, r-0002 ... with names n-1, n-2 ...; `keyOf` says which key row g has. */
function fixtureOf(
  keyOf: (g: number) => number = (g) => g,
  parts: Partial<Parameters<typeof defineFixture>[0]> = {},
): Fixture {
  return defineFixture({
    name: 'blocked',
    table: 'things',
    count: ROWS,
    columns: { id: 'text', name: 'text', at: 'int4range' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'r-' },
    *rows(first: number, last: number) {
      for (let g = first; g <= last; g++) {
        const key = String(keyOf(g)).padStart(4, '0');
        yield [`r-${key}`, `n-${g}`, `[${g},${g}]`];
      }
    },
    ...parts,
  });
}

const trigger = (when: string, body: string): string => `
  create function act() returns trigger language plpgsql as 'begin ${body} end';
  create trigger act ${when} on things for each row execute function act()`;

/** What keeps a row out, the fixture, how many rows, the first of them, and what is said to be in its way. */
const CASES: [what: string, sql: string, fixture: Fixture, blocked: number, key: string, by: RegExp][] = [
  [
    'a unique key that the fixture does not declare',
    `alter table things add unique (name); insert into things values ('x', 'n-7')`,
    fixtureOf(),
    1,
    'r-0007',
    /^row x, which has the same name$/,
  ],
  [
    'many rows under an undeclared key',
    `alter table things add unique (name); insert into things select 'x-' || g, 'n-' || g from generate_series(2, ${ROWS}) g`,
    fixtureOf(),
    ROWS - 1,
    'r-0002',
    /^row x-2, which has the same name$/,
  ],
  [
    'a repeated key near the first',
    '',
    fixtureOf((g) => (g === 6 ? 5 : g)),
    1,
    'r-0005',
    /^another row of the fixture with the same key$/,
  ],
  [
    'a repeated key far from the first',
    '',
    fixtureOf((g) => (g === 2_900 ? 5 : g)),
    1,
    'r-0005',
    /^another row of the fixture with the same key$/,
  ],
  [
    'a trigger that returns nothing',
    trigger('before insert', `if new.id = ''r-0009'' then return null; end if; return new;`),
    fixtureOf(),
    1,
    'r-0009',
    /^trigger act$/,
  ],
  [
    'a trigger that deletes again',
    trigger('after insert', `delete from things where id = new.id and id = ''r-0009''; return null;`),
    fixtureOf(),
    1,
    'r-0009',
    /^trigger act$/,
  ],
  [
    'a rule',
    `create rule act as on insert to things where new.id = 'r-0009' do instead nothing`,
    fixtureOf(),
    1,
    'r-0009',
    /^rule act$/,
  ],
  [
    'a unique index over an expression',
    `create unique index on things (lower(name)); insert into things values ('x', 'N-7')`,
    fixtureOf(),
    1,
    'r-0007',
    /^index things_lower_idx or another session, which has deleted it in the meantime$/,
  ],
  [
    'a unique index over a part of the rows',
    `create unique index on things (name) where name <> ''; insert into things values ('x', 'n-7')`,
    fixtureOf(),
    1,
    'r-0007',
    /^index things_name_idx or another session, which has deleted it in the meantime$/,
  ],
  [
    'an exclusion constraint',
    `alter table things add exclude using gist (at with &&); insert into things values ('x', 'y', '[7,7]')`,
    fixtureOf(),
    1,
    'r-0007',
    /^index things_at_excl or another session, which has deleted it in the meantime$/,
  ],
];

beforeEach(async () => {
  await database.query(
    `drop table if exists things; drop function if exists act;
     create table things (id text primary key, name text, at int4range)`,
  );
});

describe.each(CASES)('rows kept out by %s', (_, sql, fixture, blocked, key, by) => {
  const options = () => ({ databaseUrl: database.url, fixtures: [fixture], settle: false });
  const counts = { rows: ROWS, blocked, present: ROWS - blocked };
  const firstBlocked = { key, by: expect.stringMatching(by) as string };

  it('are counted and named by load, then by reset, verify and ci', async () => {
    if (sql !== '') await database.query(sql);
    const loaded = await load(options());
    expect(loaded.fixtures[0]).toMatchObject({
      ...counts,
      inserted: ROWS - blocked,
      skipped: 0,
      firstBlocked,
    });
    const again = await load(options());
    expect(again.fixtures[0]).toMatchObject(counts);
    expect((again.fixtures[0]?.inserted ?? 0) + (again.fixtures[0]?.skipped ?? 0)).toBeGreaterThanOrEqual(
      ROWS - blocked,
    );
    expect((await ci(options())).verdict.outcome).toBe('drift');
    const verified = await verify(options());
    expect(verified.intact).toBe(false);
  });

  it.each([
    ['load', load],
    ['reset', reset],
    ['clean', clean],
  ])('are foretold by a dry %s, or it says what it does not foresee', async (command, operation) => {
    if (sql !== '') await database.query(sql);
    const notices: string[] = [];
    const dry = await operation({
      ...options(),
      dryRun: true,
      onEvent: (event) => event.type === 'notice' && notices.push(event.message),
    });
    const own = /^(trigger|rule|index) \w+/.exec(by.source.slice(1))?.[0];
    if (command !== 'clean')
      expect(dry.fixtures[0]).toMatchObject({ blocked: own === undefined ? blocked : 0 });
    // An index keeps no row from being deleted.
    const isForeseen = own === undefined || (command === 'clean' && own.startsWith('index'));
    expect(notices).toEqual(isForeseen ? [] : [`blocked: a dry run does not foresee what ${own} would do`]);
  });
});

describe('a blocked row', () => {
  it('is named alike by reset and verify', async () => {
    await database.query(`alter table things add unique (name); insert into things values ('x', 'n-7')`);
    const options = { databaseUrl: database.url, fixtures: [fixtureOf()], settle: false };
    await load(options);
    const by = 'row x, which has the same name';
    const { fixtures } = await reset(options);
    expect(fixtures[0]).toMatchObject({ blocked: 1, firstBlocked: { key: 'r-0007', by } });
    const verified = await verify(options);
    expect(verified.fixtures[0]?.missing).toMatchObject({ rows: 1, blocked: { key: 'r-0007', by } });
  });

  it.each([
    [
      'one value for all rows',
      `add unique (source); insert into things values ('x', 'y')`,
      3_000,
      'r-0001',
      'row x, which has the same source',
    ],
    [
      'a value beside a column of the fixture',
      `add unique (source, name); insert into things values ('x', 'n-7')`,
      1,
      'r-0007',
      'row x, which has the same name, source',
    ],
    [
      'NULL',
      `alter source drop default, add unique (source, name); insert into things values ('x', 'n-7')`,
      0,
      '',
      '',
    ],
    [
      'NULL that is not distinct',
      `alter source drop default, add unique nulls not distinct (source, name); insert into things values ('x', 'n-7')`,
      1,
      'r-0007',
      'row x, which has the same name, source',
    ],
    [
      'a value that is not known',
      `alter source set default md5('x'), add unique (source, name); insert into things values ('x', 'n-7')`,
      undefined,
      'r-0007',
      'index things_source_name_key or another session, which has deleted it in the meantime',
    ],
  ])('is named where its unique key has a default of %s', async (_, alter, foreseen, key, by) => {
    if (alter.includes('nulls not') && Number(await database.value('show server_version_num')) < 150_000)
      return;
    await database.query(`alter table things add source text default 'here'; alter table things ${alter}`);
    const options = { databaseUrl: database.url, fixtures: [fixtureOf()], settle: false };
    const expected = { blocked: foreseen ?? 1, firstBlocked: foreseen === 0 ? null : { key, by } };
    const told = foreseen === undefined ? { blocked: 0, firstBlocked: null } : expected;
    expect((await load({ ...options, dryRun: true })).fixtures[0]).toMatchObject(told);
    expect((await load(options)).fixtures[0]).toMatchObject(expected);
    expect((await reset({ ...options, dryRun: true })).fixtures[0]).toMatchObject(told);
    expect((await reset(options)).fixtures[0]).toMatchObject(expected);
    const verified = await verify(options);
    expect(verified.fixtures[0]?.missing).toMatchObject({
      rows: expected.blocked,
      blocked: told.firstBlocked,
    });
  });

  it('is named by a reset row by row where its key is repeated', async () => {
    await database.query(trigger('before update', 'return new;'));
    const repeating = fixtureOf((g) => (g === 6 ? 5 : g));
    const options = { databaseUrl: database.url, fixtures: [repeating], settle: false };
    await load(options);
    const { fixtures, foreignKeys } = await reset(options);
    expect(foreignKeys.check).toBe('row');
    const firstBlocked = { key: 'r-0005', by: 'another row of the fixture with the same key' };
    expect(fixtures[0]).toMatchObject({ restored: ROWS - 1, inserted: 0, blocked: 1, firstBlocked });
  });

  it('is named beside keys of times, and of columns that the fixture leaves alone', async () => {
    await database.query(
      `alter table things add seen timestamptz, add site text default 'here',
         add unique (name), add unique (seen), add unique (id, site);
       insert into things values ('x', 'n-7')`,
    );
    const timed = fixtureOf(undefined, {
      count: 9,
      columns: { id: 'text', name: 'text', seen: 'timestamptz after anchor' },
      *rows(first, last) {
        for (let g = first; g <= last; g++) yield [`r-000${g}`, `n-${g}`, g * 1_000_000];
      },
    });
    const { fixtures } = await load({ databaseUrl: database.url, fixtures: [timed], settle: false });
    const by = 'row x, which has the same name';
    expect(fixtures[0]).toMatchObject({ inserted: 8, blocked: 1, firstBlocked: { key: 'r-0007', by } });
  });
});
