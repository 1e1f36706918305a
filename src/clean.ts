import { stage, type Staging } from './copy/staging.js';
import { findImpact, type Impact } from './database/dependents.js';
import { lockFixture } from './database/lock-fixture.js';
import { quoteTable } from './database/quote.js';
import { ScaleSeedError } from './errors.js';
import type { Fixture } from './fixtures/fixture.js';
import { sameIdentity } from './merge/expressions.js';
import { withDatabase, type Database } from './database/with-database.js';
import type { FixtureOptions } from './options.js';
import type { CleanedFixture, CleanReport, Dependents } from './report/result.js';
import { stopwatch } from './report/stopwatch.js';
import { runOnFixtures, type Step } from './run.js';

/** What is about to be deleted. */
export interface CleanPlan {
  fixture: string;
  schema: string;
  table: string;
  rows: number;
  dependents: Dependents[];
}

export interface CleanOptions extends FixtureOptions {
  /** Asked before each fixture is deleted; its rows stay where the answer is false. */
  confirm?: ((plan: CleanPlan) => Promise<boolean>) | undefined;
  /** VACUUM (ANALYZE) the tables afterwards; true by default. */
  settle?: boolean | undefined;
}

/**
 * Deletes exactly the rows of fixtures, by their keys, each fixture in one transaction, and says what the database
 * deleted or changed along with them.
 *
 * @throws ScaleSeedError `conflict` where rows that stay forbid it.
 */
export function clean(options: CleanOptions = {}): Promise<CleanReport> {
  return withDatabase(options, (database) => cleanOn(database, options));
}

/** Cleans fixtures in a database that is at hand. */
export async function cleanOn(database: Database, options: CleanOptions): Promise<CleanReport> {
  const run = await runOnFixtures<CleanedFixture>(database, options, {
    jobs: 1,
    parents: 'ignore',
    guard: false,
    survey: false,
    needs: ['select', 'delete'],
    settle: options.settle ?? true,
    changed: ({ deleted }) => deleted > 0,
    work: (step) => cleanFixture(step, options.confirm),
  });
  const { base, results, connectMs, workMs, settleMs, totalMs } = run;
  return {
    ...base,
    command: 'clean',
    fixtures: results,
    timings: { connectMs, cleanMs: workMs, settleMs, totalMs },
  };
}

async function cleanFixture(
  { database, prepared, session, fixture, enter, count }: Step,
  confirm: CleanOptions['confirm'],
): Promise<CleanedFixture> {
  const table = prepared.tableOf(fixture);
  const total = stopwatch();
  return session.transaction(async () => {
    await lockFixture(session, fixture, table, database.onNotice);
    enter('copy');
    const staged = await stage(session, fixture, (rows) => {
      count('copy', rows);
    });
    enter('clean');
    const doomed = `from ${quoteTable(table)} as t join ${staged.table} as s on ${sameIdentity(fixture)}`;
    const { rows: counts } = await session.query<{ count: string }>(`select count(*) ${doomed}`);
    const rows = Number(counts[0]?.count);
    const impact = await findImpact(session, table, doomed);
    refuseBlocked(fixture, impact);
    const { dependents } = impact;
    const agreed =
      rows === 0 ||
      confirm === undefined ||
      (await confirm({ fixture: fixture.name, schema: table.schema, table: table.name, rows, dependents }));
    const deleted = agreed ? await deleteRows(session, fixture, quoteTable(table), staged) : 0;
    return {
      name: fixture.name,
      table: table.name,
      schema: table.schema,
      deleted,
      dependents: agreed ? dependents : [],
      timings: { totalMs: total() },
    };
  });
}

async function deleteRows(
  session: Step['session'],
  fixture: Fixture,
  table: string,
  staged: Staging,
): Promise<number> {
  const { rowCount } = await session.query(
    `delete from ${table} as t using ${staged.table} as s where ${sameIdentity(fixture)}`,
  );
  return rowCount ?? 0;
}

function refuseBlocked(fixture: Fixture, { blockers }: Impact): void {
  if (blockers.length === 0) return;
  const list = blockers.map(({ table, rows }) => `${rows} in ${table}`).join(', ');
  throw new ScaleSeedError(
    `fixture ${fixture.name}: rows that stay refer to it and forbid its deletion: ${list}`,
    {
      code: 'conflict',
      phase: 'clean',
      fixture: fixture.name,
      table: fixture.table,
      hint: 'delete those rows first',
    },
  );
}
