import { translateError } from '../postgres/translate-error.js';
import { withDatabase, type Database } from '../run/with-database.js';
import { timestampText } from '../fixtures/timestamp.js';
import { fingerprintOf } from '../encode/fingerprint.js';
import { ScaleSeedError, withState, type Phase } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { SETS } from '../fixtures/registry.js';
import { loadFixture, summarizeChecks, type Loaded } from '../merge/load-fixture.js';
import { jobsOf } from '../run/jobs.js';
import type { FixtureOptions } from '../run/options.js';
import { orAborted } from '../run/or-aborted.js';
import type { LoadReport } from '../report/result.js';
import { stopwatch } from '../run/stopwatch.js';
import { runOnFixtures } from '../run/run.js';
import { verifyOn } from './verify.js';

export interface LoadOptions extends FixtureOptions {
  /**
   * `online` (the default) never blocks readers or writers. `exclusive` locks each table while its rows are merged,
   * and rebuilds plain indexes in the same transaction where that is quicker.
   */
  mode?: 'online' | 'exclusive' | undefined;
  /**
   * Sessions at work at once, of which no more than one a fixture is needed; by default one for each processor, and at
   * least 2. Where more than there are fixtures are asked for, each fixture is loaded in parts, side by side, and every part commits on its own (in online mode: a table that is locked
   * gains nothing by it).
   */
  jobs?: number | undefined;
  /** How long exclusive mode waits for a table's lock, in milliseconds; 10 s by default. */
  lockTimeoutMs?: number | undefined;
  /** Insert the parent rows that are missing. */
  createParents?: boolean | undefined;
  /** Fixtures of your own besides those that are loaded: their rows do not look like a real fleet. */
  known?: readonly Fixture[] | undefined;
  /** Load into a database that looks like a real fleet. */
  force?: boolean | undefined;
  /** Load as into tables that Citus distributes, even where it does not. */
  citus?: boolean | undefined;
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
  return withDatabase(options, (database) => loadOn(database, options));
}

/** Loads fixtures into a database that is at hand, and verifies them where that is asked for. */
export async function loadOn(database: Database, options: LoadOptions): Promise<LoadReport> {
  const report = await loadInto(database, options);
  if (options.verify !== true) return report;
  return { ...report, verified: await afterLoading('verify', verifyOn(database, options)) };
}

/** What is done when all rows are committed: whatever fails, they stand. */
async function afterLoading<T>(phase: Phase, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw withState(translateError(error, { phase }), 'everything is loaded and committed');
  }
}

const MODES = ['online', 'exclusive'];

function unknownMode(mode: string): ScaleSeedError {
  return new ScaleSeedError(`mode must be online or exclusive, not ${mode}`, {
    code: 'usage',
    phase: 'configure',
  });
}

/** Loads fixtures into a database that is at hand. */
export async function loadInto(database: Database, options: LoadOptions): Promise<LoadReport> {
  const { mode = 'online', lockTimeoutMs = 10_000, fixtures = SETS.fleet } = options;
  const jobs = jobsOf(options.jobs);
  if (!MODES.includes(mode)) throw unknownMode(mode);
  const parts = mode === 'exclusive' ? 1 : partsOf(fixtures.length, options.jobs);
  const total = stopwatch();
  const { base, prepared, results, connectMs, workMs, settleMs } = await runOnFixtures<Loaded>(
    database,
    options,
    {
      jobs,
      parents: options.createParents === true ? 'create' : 'require',
      guard: options.force !== true,
      known: options.known,
      survey: true,
      needs: ['select', 'insert'],
      citus: options.citus,
      settle: options.settle ?? true,
      changed: ({ inserted }) => inserted > 0,
      work: (step) => loadFixture(step, { mode, lockTimeoutMs, parts: parts > 1 }, parts),
    },
  );
  for (const { name, confirmation } of results) {
    database.onEvent({ type: 'confirmation', fixture: name, line: confirmation });
  }
  const fingerprints = Promise.all(
    results.map(async ({ fingerprint }, index) => fingerprint ?? fingerprintOf(fixtures[index]!)),
  );
  const known = await afterLoading('copy', orAborted(fingerprints, database.signal));
  return {
    ...base,
    command: 'load',
    mode,
    jobs,
    anchor: timestampText(prepared.anchorUs),
    foreignKeys: summarizeChecks(results.map(({ foreignKeys }) => foreignKeys)),
    fixtures: results.map((loaded, index) => ({ ...loaded, fingerprint: known[index]! })),
    timings: { connectMs, loadMs: workMs, settleMs, totalMs: total() },
  };
}

/** Parts that each fixture is loaded in: one, unless the caller asks for more sessions than there are fixtures. */
function partsOf(fixtures: number, jobs: number | undefined): number {
  return jobs === undefined ? 1 : Math.max(1, Math.floor(jobs / Math.max(1, fixtures)));
}
