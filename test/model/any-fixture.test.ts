import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ANCHORED } from '../../src/fixtures/fixture.js';
import { quote } from '../../src/postgres/quote.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import type { CleanedFixture, Counts, ResetFixture, VerifiedFixture } from '../../src/report/result.js';
import { useDatabase } from '../support/database.js';
import { anyCase, changeOf, fixtureOf, isNameUnique, strangerSql, tableSql, type Case } from './any-table.js';

const database = useDatabase();
let writer: string;

/** More of them: SCALE_SEED_TEST_RUNS=1000 npx vitest run test/model. */
const RUNS = Number(process.env.SCALE_SEED_TEST_RUNS ?? 10);

beforeAll(async () => {
  writer = await database.role();
  await database.query(
    `create extension citext;
     create collation caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     create function nothing() returns trigger language plpgsql as 'begin return new; end'`,
  );
});

afterAll(() => database.query(`drop schema if exists one, other cascade; drop owned by ${writer}`));

/** The case's own place: a schema with its table, another for a fresh load, and a role that may write both. */
async function place(given: Case) {
  await database.query(
    `drop schema if exists one, other cascade; create schema one; create schema other;
     ${tableSql(given, 'one')}; ${tableSql(given, 'other')};
     grant all on schema one, other to ${writer}; grant all on all tables in schema one, other to ${writer};
     grant all on all sequences in schema one, other to ${writer}`,
  );
  const url = new URL(database.url);
  if (!given.isOwner) [url.username, url.password] = [writer, 'pw'];
  const table = quote('one', given.table);
  const count = async (condition: string): Promise<number> =>
    Number(await database.value(`select count(*) from ${table} where ${condition}`));
  const rowsOf = (schema: string): string =>
    `select ${Object.entries(fixtureOf(given).columns)
      .filter(([, type]) => type !== ANCHORED)
      .map(([column]) => `${column}::text`)
      .join(', ')} from ${quote(schema, given.table)} where tag = 'ours'`;
  const options = { databaseUrl: url.href, fixtures: [fixtureOf(given)], settle: false, force: true };
  return {
    table,
    count,
    run: { ...options, schemas: ['one'] },
    elsewhere: { ...options, schemas: ['other'] },
    /** The rows of the fixture that are not as they are elsewhere. */
    differing: () => database.query(`${rowsOf('one')} except ${rowsOf('other')}`),
    strangers: () => database.value(`select json_agg(t) from ${table} as t where tag = 'theirs'`),
  };
}

const countsOf = ({ inserted, skipped, blocked, present }: Counts) => ({
  inserted,
  skipped,
  blocked,
  present,
});

/** What a dry run foretells. */
const foretold = (fixture: ResetFixture | CleanedFixture) => ({
  ...fixture,
  timings: {},
  rebuiltIndexes: [],
});

const one = <F>({ fixtures }: { fixtures: F[] }): F => fixtures[0]!;

const everyNth = (n: number, rest = 0): string => (n === 0 ? 'false' : `number % ${n} = ${rest}`);

async function tryOut(given: Case): Promise<void> {
  const { rows, modes } = given;
  const { table, count, run, elsewhere, differing, strangers } = await place(given);
  const [mode, again] = modes;
  const inTheWay = given.isNameTaken && isNameUnique(given);
  await database.query(strangerSql(given, 'one', inTheWay ? 'name-1' : 'a name'));
  const theirs = await strangers();
  const blocked = inTheWay ? 1 : 0;

  // Some rows stand already, as the first of a smaller fleet; the rest is added.
  const stood = given.stood === 0 || inTheWay ? 0 : Math.floor(rows / given.stood);
  if (stood > 0) {
    await load({ ...run, fixtures: [fixtureOf(given, stood)], mode: again });
    await reset(run);
    await database.query(`delete from ${table} where number > ${stood}`);
  }
  const first = { inserted: rows - stood - blocked, skipped: stood, blocked, present: rows - blocked };
  expect(countsOf(one(await load({ ...run, mode, dryRun: true })))).toEqual(first);
  expect(await count(`tag = 'ours'`)).toBe(stood);
  expect(countsOf(one(await load({ ...run, mode })))).toEqual(first);
  expect(await count(`tag = 'ours'`)).toBe(rows - blocked);
  expect(countsOf(one(await load({ ...run, mode: again })))).toEqual({
    ...first,
    inserted: 0,
    skipped: rows - blocked,
  });

  // What is changed, missing or hanging is found, and nothing else.
  await reset({ ...run, mode: again });
  const whole = {
    intact: blocked === 0,
    present: rows - blocked,
    missing: { rows: blocked },
    driftedRows: 0,
  };
  expect(one(await verify(run))).toMatchObject(whole);
  const change = changeOf(given);
  const gone = await count(everyNth(given.gone));
  await database.query(`delete from ${table} where ${everyNth(given.gone)}`);
  const changed = new Set<number>();
  const noteChanged = async (sql: string): Promise<void> => {
    for (const row of await database.query<{ number: number }>(sql)) changed.add(row.number);
  };
  if (change !== undefined)
    await noteChanged(
      `update ${table} set ${change.column} = ${change.value} where ${everyNth(given.changed, 1)} returning number`,
    );
  if (given.haveSwapped && isNameUnique(given) && rows > 30) {
    for (const [from, to] of [
      ['name-7', 'free'],
      ['name-11', 'name-7'],
      ['free', 'name-11'],
    ])
      await noteChanged(
        `update ${table} set name = '${to!}' where name = '${from!}' and tag = 'ours' returning number`,
      );
  }
  await database.query(
    `insert into one.dependents select id from ${table} where tag = 'ours' and ${everyNth(given.hanging, 1)}`,
  );
  const countHanging = async () => Number(await database.value('select count(*) from one.dependents'));
  const hanging = await countHanging();
  const found: VerifiedFixture = one(await verify(run));
  expect(found).toMatchObject({
    intact: blocked + gone + changed.size + hanging === 0,
    missing: { rows: blocked + gone },
    unexpected: { rows: 0 },
    driftedRows: changed.size,
    hanging: hanging === 0 ? [] : [{ table: 'one.dependents', rows: hanging }],
  });

  // All is put back, as a fresh load would have it.
  const foreseen = one(await reset({ ...run, mode, dryRun: true }));
  const done = one(await reset({ ...run, mode }));
  expect(foretold(foreseen)).toEqual(foretold(done));
  expect(done).toMatchObject({
    restored: rows - blocked - gone,
    inserted: gone,
    blocked,
    present: rows - blocked,
  });
  expect(one(await verify(run))).toMatchObject(whole);
  await load(elsewhere);
  expect(await differing()).toEqual([]);

  // All goes, unless something forbids it.
  await database.query(
    `insert into one.dependents select id from ${table} where tag = 'ours' and ${everyNth(given.hanging, 1)}`,
  );
  if ((await countHanging()) > 0 && given.onDelete !== 'cascade' && given.onDelete !== 'set null') {
    for (const dryRun of [true, false])
      await expect(clean({ ...run, dryRun })).rejects.toMatchObject({ code: 'conflict' });
    await database.query('truncate one.dependents');
  }
  const plan = one(await clean({ ...run, dryRun: true }));
  const cleaned = one(await clean(run));
  expect(foretold(plan)).toEqual(foretold(cleaned));
  expect(cleaned.deleted).toBe(rows - blocked);
  expect(await count(`tag = 'ours'`)).toBe(0);
  expect(await strangers()).toEqual(theirs);
}

it(
  'any fixture in any table is loaded, verified, reset and cleaned as the reports say',
  { timeout: 60_000 + RUNS * 10_000 },
  async () => {
    await fc.assert(fc.asyncProperty(anyCase, tryOut), { seed: 1, numRuns: RUNS });
  },
);
