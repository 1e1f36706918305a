import { sweepScratchSchemas } from '../judge/scratch-schema.js';
import { translateError } from '../postgres/translate-error.js';
import { withDatabase, type Database } from '../run/with-database.js';
import { ScaleSeedError, withState } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { SETS } from '../fixtures/registry.js';
import { loadInto, type LoadOptions } from './load.js';
import { measureRatio } from '../judge/measure-ratio.js';
import { asBaseline, refuseIncomparable, type Baseline, type ThisRun } from '../judge/baseline.js';
import type { CiReport, LoadReport } from '../report/result.js';
import { stopwatch } from '../run/stopwatch.js';
import { judge, ratioLimits, type Criteria } from '../judge/verdict.js';
import { verifyOn } from './verify.js';

export interface CiOptions extends Omit<LoadOptions, 'verify'> {
  /** Most that the load may take, in milliseconds. */
  budgetMs?: number | undefined;
  /**
   * Most that the load may take, as a multiple of a reference load of the same fixtures by plain INSERT ... SELECT. It is
   * measured in the same run, in a scratch schema that goes away; that needs the right to create one.
   */
  budgetRatio?: number | undefined;
  /** The report of an earlier load or run of `ci` to compare with. */
  baseline?: Baseline | undefined;
  /** How much slower than the baseline the load may be, in percent; 20 by default. */
  maxRegressionPercent?: number | undefined;
}

/**
 * Loads fixtures, verifies them, and judges the load. The report's verdict says how that went; only what keeps it from
 * being reached is an error.
 *
 * @throws ScaleSeedError, as `load` and `verify` do; `configuration` for a baseline that cannot be compared with.
 */
export async function ci(options: CiOptions = {}): Promise<CiReport> {
  const {
    fixtures = SETS.fleet,
    mode = 'online',
    budgetMs,
    budgetRatio,
    maxRegressionPercent = 20,
  } = options;
  if (fixtures.every(({ count }) => count === 0)) throw noRows();
  const baseline = options.baseline && asBaseline(options.baseline);
  const criteria = { budgetMs, budgetRatio, baseline, maxRegressionPercent };
  refuseBaseline(criteria, { mode, fixtures: fixtures.map(identify) });
  return withDatabase(options, async (database) => {
    const total = stopwatch();
    const report = await loadInto(database, options);
    try {
      const judged = await judgeLoad(database, { ...options, fixtures }, report, criteria);
      return { ...judged, timings: { ...judged.timings, totalMs: total() } };
    } catch (error) {
      const translated = translateError(error, { phase: 'measure', during: 'after the load' });
      throw withState(translated, 'the fleet is loaded and stands; it was not judged');
    }
  });
}

async function judgeLoad(
  database: Database,
  options: CiOptions & { fixtures: readonly Fixture[] },
  report: LoadReport,
  criteria: Criteria,
): Promise<CiReport> {
  refuseBaseline(criteria, { ...report, serverVersion: report.server.version });
  await sweepScratchSchemas(database);
  const verifying = stopwatch();
  const verified = await verifyOn(database, options);
  const verifyMs = verifying();
  const measuring = stopwatch();
  const reference =
    criteria.budgetRatio === undefined || !verified.intact
      ? undefined
      : await measureRatio(
          database,
          { fixtures: options.fixtures, citus: options.citus, report },
          ratioLimits(criteria),
        );
  const measureMs = measuring();
  const judged = { ...report, verified, ...(reference === undefined ? {} : { reference }) };
  return {
    ...judged,
    command: 'ci',
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    timings: { ...report.timings, verifyMs, measureMs },
    verdict: judge(judged, criteria),
  };
}

function noRows(): ScaleSeedError {
  return new ScaleSeedError('there are no rows to load, so there is nothing to judge', {
    code: 'usage',
    phase: 'configure',
  });
}

/** What is known of a fixture before it is loaded. */
function identify({ name, count, frozenFingerprint }: Fixture): ThisRun['fixtures'][0] {
  return { name, rows: count, fingerprint: frozenFingerprint };
}

function refuseBaseline({ baseline, budgetRatio }: Criteria, run: Omit<ThisRun, 'measured'>): void {
  if (baseline !== undefined) refuseIncomparable(baseline, { ...run, measured: budgetRatio !== undefined });
}
