import { availableParallelism } from 'node:os';
import { stage } from './copy/staging.js';
import { lockFixture } from './database/lock-fixture.js';
import { countPresent } from './database/marks.js';
import { withDatabase, type Database } from './database/with-database.js';
import { timestampText } from './encode/timestamp.js';
import { mergeStaging } from './merge/merge.js';
import type { FixtureOptions } from './options.js';
import type { LoadedFixture, LoadReport } from './report/result.js';
import { stopwatch } from './report/stopwatch.js';
import { runOnFixtures, type Step } from './run.js';
import { verifyOn } from './verify.js';

export interface LoadOptions extends FixtureOptions {
  /** Sessions at work at once; by default one a fixture, as far as there are cores. */
  jobs?: number | undefined;
  /** Insert the parent rows that are missing. */
  createParents?: boolean | undefined;
  /** Load into a database that looks like a real fleet. */
  force?: boolean | undefined;
  /** VACUUM (ANALYZE) the tables after the load; true by default. */
  settle?: boolean | undefined;
  /** Read the rows back afterwards, as `verify` does. */
  verify?: boolean | undefined;
}

/**
 * Loads fixtures: rows that stand are left alone, rows that are missing are added, each fixture in one transaction.
 *
 * @throws ScaleSeedError; fixtures that had been committed by then stand, and its `state` names them.
 */
export function load(options: LoadOptions = {}): Promise<LoadReport> {
  return withDatabase(options, async (database) => {
    const report = await loadInto(database, options);
    return options.verify === true ? { ...report, verified: await verifyOn(database, options) } : report;
  });
}

/** Loads fixtures into a database that is at hand. */
async function loadInto(database: Database, options: LoadOptions): Promise<LoadReport> {
  const jobs = options.jobs ?? Math.max(2, availableParallelism());
  const run = await runOnFixtures<LoadedFixture>(database, options, {
    jobs,
    parents: options.createParents === true ? 'create' : 'require',
    guard: options.force !== true,
    settle: options.settle ?? true,
    changed: ({ inserted }) => inserted > 0,
    work: loadFixture,
  });
  const { base, prepared, results, connectMs, workMs, settleMs, totalMs } = run;
  for (const { name, confirmation } of results) {
    options.onEvent?.({ type: 'confirmation', fixture: name, line: confirmation });
  }
  return {
    ...base,
    command: 'load',
    jobs,
    anchor: timestampText(prepared.anchorUs),
    foreignKeys: { check: 'row', reason: 'the foreign keys’ own triggers check every row' },
    fixtures: results,
    timings: { connectMs, loadMs: workMs, settleMs, totalMs },
  };
}

/** One fixture, all or nothing: copied into a staging table and merged from there in one transaction. */
async function loadFixture({ database, prepared, session, fixture, enter }: Step): Promise<LoadedFixture> {
  const table = prepared.tableOf(fixture);
  const total = stopwatch();
  const { staged, inserted, copyMs, mergeMs } = await session.transaction(async () => {
    await lockFixture(session, fixture, table, database.onNotice);
    enter('copy');
    const copying = stopwatch();
    const staged = await stage(session, fixture, database.onEvent);
    const copyMs = copying();
    enter('merge');
    const merging = stopwatch();
    const inserted = await mergeStaging(session, fixture, table, staged, timestampText(prepared.anchorUs));
    return { staged, inserted, copyMs, mergeMs: merging() };
  });
  const totalMs = total();
  const present = await countPresent(session, fixture, table);
  return {
    name: fixture.name,
    table: table.name,
    schema: table.schema,
    rows: staged.rows,
    inserted,
    skipped: staged.rows - inserted,
    present,
    fingerprint: staged.fingerprint,
    copiedBytes: staged.bytes,
    timings: { copyMs, mergeMs, totalMs },
    rowsPerSecond: Math.round(staged.rows / (totalMs / 1000)),
    confirmation: fixture.confirmation(present),
  };
}
