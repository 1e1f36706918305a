import { ScaleSeedError } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { SETS } from '../fixtures/registry.js';
import { asBaseline, refuseIncomparable, type Baseline, type ThisRun } from '../judge/baseline.js';
import { measureRatio } from '../judge/measure-ratio.js';
import { sweepScratchSchemas } from '../judge/scratch-schema.js';
import type { Wanted } from '../judge/ratio-rounds.js';
import { judge, wantedOf, type Criteria } from '../judge/verdict.js';
import type { RealLoad } from '../judge/scratch-tables.js';
import { translateError } from '../postgres/translate-error.js';
import type { CiReport, LoadReport } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { withDatabase, type RunContext } from '../run/context.js';
import { checkOptions } from '../run/options.js';
import { stopwatch } from '../run/stopwatch.js';
import { loadOn, type LoadOptions } from './load.js';
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
  checkOptions(options);
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
  return withDatabase(options, async (context) => {
    const total = stopwatch();
    const report = await loadOn(context, options);
    try {
      const judged = await judgeLoad(context, { ...options, fixtures }, report, criteria);
      const peakRssBytes = process.resourceUsage().maxRSS * 1024;
      return rounded({ ...judged, peakRssBytes, timings: { ...report.timings, totalMs: total() } });
    } catch (error) {
      const state = 'the fleet is loaded and stands; it was not judged';
      throw translateError(error, { phase: 'measure' }).with({ state });
    }
  });
}

async function judgeLoad(
  context: RunContext,
  options: CiOptions & { fixtures: readonly Fixture[] },
  report: LoadReport,
  criteria: Criteria,
): Promise<CiReport> {
  const { fixtures, citus } = options;
  refuseBaseline(criteria, { ...report, serverVersion: report.server.version });
  await sweepScratchSchemas(context);
  // What was waited for is there.
  const verified = await verifyOn(context, { ...options, waitMs: 0 });
  const failures = [...report.failures, ...verified.failures];
  const wanted = failures.length === 0 && verified.intact ? wantedOf(criteria) : undefined;
  const measured = wanted && (await measure(context, { fixtures, citus, report }, wanted, criteria));
  const judged = { ...report, failures, verified, ...measured?.found };
  const verdict = judge({ ...judged, unmeasured: measured?.unmeasured }, criteria);
  return { ...judged, command: 'ci', verdict };
}

/** Where a budget asks for the measurement it must be had; a comparison that lacks it is inconclusive, and told. */
async function measure(
  context: RunContext,
  load: RealLoad,
  wanted: Wanted,
  { budgetRatio }: Criteria,
): Promise<{ found?: Pick<CiReport, 'reference'>; unmeasured?: string }> {
  try {
    return { found: { reference: await measureRatio(context, load, wanted) } };
  } catch (error) {
    const mayBeMissing = error instanceof ScaleSeedError && error.code === 'privilege';
    if (budgetRatio !== undefined || !mayBeMissing) throw error;
    return { unmeasured: `${error.message}: ${error.hint ?? ''}` };
  }
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

function refuseBaseline({ baseline }: Criteria, run: ThisRun): void {
  if (baseline !== undefined) refuseIncomparable(baseline, run);
}
