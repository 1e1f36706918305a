import { stage } from '../copy/staging.js';
import { lockFixture } from '../run/lock-fixture.js';
import type { TableInfo } from '../table/inspect-table.js';
import { withDatabase, type Database } from '../run/with-database.js';
import { timestampText } from '../fixtures/timestamp.js';
import type { Fixture } from '../fixtures/fixture.js';
import { compareRows } from '../merge/compare.js';
import { mergeStaged } from '../merge/merge.js';
import { restoreRows } from '../merge/restore.js';
import type { LoadOptions } from './load.js';
import type { ColumnDrift, ResetFixture, ResetReport } from '../report/result.js';
import { stopwatch } from '../run/stopwatch.js';
import { formatCount } from '../report/units.js';
import { runOnFixtures, type Step } from '../run/run.js';

export type ResetOptions = Omit<LoadOptions, 'mode' | 'jobs' | 'lockTimeoutMs' | 'verify' | 'citus'>;

/**
 * Puts the rows of fixtures back to what a fresh load would make of them, on a fresh anchor, and adds those that are
 * missing; touches no other row. Each fixture in one transaction.
 *
 * @throws ScaleSeedError; fixtures that had been committed by then stand, and its `state` names them.
 */
export function reset(options: ResetOptions = {}): Promise<ResetReport> {
  return withDatabase(options, (database) => resetOn(database, options));
}

/** Resets fixtures in a database that is at hand. */
export async function resetOn(database: Database, options: ResetOptions): Promise<ResetReport> {
  const run = await runOnFixtures<ResetFixture>(database, options, {
    jobs: 1,
    parents: options.createParents === true ? 'create' : 'require',
    guard: options.force !== true,
    known: options.known,
    survey: false,
    needs: ['select', 'insert', 'update'],
    settle: options.settle ?? true,
    changed: ({ restored, inserted }) => restored + inserted > 0,
    work: resetFixture,
  });
  const { base, prepared, results, connectMs, workMs, settleMs, totalMs } = run;
  return {
    ...base,
    command: 'reset',
    anchor: timestampText(prepared.anchorUs),
    fixtures: results,
    timings: { connectMs, resetMs: workMs, settleMs, totalMs },
  };
}

async function resetFixture({
  database,
  prepared,
  session,
  fixture,
  enter,
  count,
}: Step): Promise<ResetFixture> {
  const table = prepared.tableOf(fixture);
  const anchor = timestampText(prepared.anchorUs);
  const total = stopwatch();
  const { staged, restored, inserted } = await session.transaction(async () => {
    await lockFixture(session, fixture, table, database.onNotice);
    enter('copy');
    const staged = await stage(session, fixture, (rows) => {
      count('copy', rows);
    });
    enter('reset');
    const restored = await restoreRows(session, fixture, table, staged, anchor);
    const { inserted } = await mergeStaged(session, fixture, table, staged, anchor, false);
    if (table.userTriggers.length > 0) {
      const { drift } = await compareRows(session, fixture, table, staged);
      if (drift.length > 0) database.onNotice(overruled(fixture, table, drift));
    }
    return { staged, restored, inserted };
  });
  return {
    name: fixture.name,
    table: table.name,
    schema: table.schema,
    rows: staged.rows,
    restored,
    inserted,
    blocked: staged.rows - restored - inserted,
    fingerprint: staged.fingerprint(),
    timings: { totalMs: total() },
  };
}

/** What a trigger makes of a row stands, as it would for anybody else's update; to verify it is drift. */
function overruled(
  { name }: Fixture,
  { name: table, userTriggers }: TableInfo,
  drift: readonly ColumnDrift[],
): string {
  const columns = drift.map(({ column, rows }) => `${column} in ${formatCount(rows)} rows`);
  return `${name}: triggers of ${table} (${userTriggers.join(', ')}) changed what was written: ${columns.join(', ')}`;
}
