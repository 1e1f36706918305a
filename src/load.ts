import { availableParallelism } from 'node:os';
import { withDatabase, type Database } from './database/with-database.js';
import { timestampText } from './encode/timestamp.js';
import { fingerprintOf } from './encode/fingerprint.js';
import { SETS } from './fixtures/registry.js';
import { loadFixture, type Loaded } from './load-fixture.js';
import { chooseForeignKeyCheck } from './merge/foreign-keys.js';
import type { FixtureOptions } from './options.js';
import type { ForeignKeyCheck, LoadReport } from './report/result.js';
import { stopwatch } from './report/stopwatch.js';
import { runOnFixtures } from './run.js';
import { verifyOn } from './verify.js';

export interface LoadOptions extends FixtureOptions {
  /**
   * `online` (the default) never blocks readers or writers. `exclusive` locks each table while its rows are merged,
   * and rebuilds plain indexes in the same transaction where that is quicker.
   */
  mode?: 'online' | 'exclusive' | undefined;
  /**
   * Sessions at work at once; by default one a fixture, as far as there are cores. With more sessions than fixtures each
   * fixture is loaded in parts, side by side, and every part commits on its own (in online mode: a table that is locked
   * gains nothing by it).
   */
  jobs?: number | undefined;
  /** How long exclusive mode waits for a table's lock, in milliseconds; 10 s by default. */
  lockTimeoutMs?: number | undefined;
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
export async function loadInto(database: Database, options: LoadOptions): Promise<LoadReport> {
  const { mode = 'online', lockTimeoutMs = 10_000, fixtures = SETS.fleet } = options;
  const jobs = options.jobs ?? Math.max(2, availableParallelism());
  const parts = mode === 'exclusive' ? 1 : partsOf(fixtures.length, options.jobs);
  const total = stopwatch();
  const { base, prepared, results, connectMs, workMs, settleMs } = await runOnFixtures<Loaded>(
    database,
    options,
    {
      jobs,
      parents: options.createParents === true ? 'create' : 'require',
      guard: options.force !== true,
      survey: true,
      settle: options.settle ?? true,
      changed: ({ inserted }) => inserted > 0,
      work: (step) => {
        const table = step.prepared.tableOf(step.fixture);
        const foreignKeys = chooseForeignKeyCheck(step.fixture, table, step.prepared.mayReplicate);
        return loadFixture(step, { mode, lockTimeoutMs, foreignKeys, parts: parts > 1 }, parts);
      },
    },
  );
  for (const { name, confirmation } of results) {
    database.onEvent({ type: 'confirmation', fixture: name, line: confirmation });
  }
  const fingerprinted = await Promise.all(
    results.map(async (loaded, index) => ({
      ...loaded,
      fingerprint: loaded.fingerprint ?? (await fingerprintOf(fixtures[index]!)),
    })),
  );
  return {
    ...base,
    command: 'load',
    mode,
    jobs,
    anchor: timestampText(prepared.anchorUs),
    foreignKeys: summarizeChecks(results),
    fixtures: fingerprinted,
    timings: { connectMs, loadMs: workMs, settleMs, totalMs: total() },
  };
}

/** Parts that each fixture is loaded in: one, unless the caller asks for more sessions than there are fixtures. */
function partsOf(fixtures: number, jobs: number | undefined): number {
  return jobs === undefined ? 1 : Math.max(1, Math.floor(jobs / Math.max(1, fixtures)));
}

/** One answer for all fixtures: by set only where that holds for every one of them. */
function summarizeChecks(results: readonly Loaded[]): ForeignKeyCheck {
  const checks = results.map(({ foreignKeys }) => foreignKeys);
  const byRow = checks.filter(({ check }) => check === 'row');
  const chosen = byRow.length > 0 ? byRow : checks;
  return {
    check: chosen[0]?.check ?? 'set',
    reason: [...new Set(chosen.map(({ reason }) => reason))].join('; '),
  };
}
