import { refusal, ScaleSeedError } from '../errors.js';
import { SETS } from '../fixtures/registry.js';
import { asBaseline, refuseIncomparable } from '../judge/baseline.js';
import { measureRatio, requireMeasurable } from '../judge/measure-ratio.js';
import type { Wanted } from '../judge/ratio-rounds.js';
import { sweepScratchSchemas } from '../judge/scratch-schema.js';
import type { RealLoad } from '../judge/scratch-tables.js';
import { judge, wantedOf, type Criteria } from '../judge/verdict.js';
import { translateError } from '../postgres/translate-error.js';
import type { CiReport } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { joinFailures } from '../report/schemas.js';
import { withDatabase, type RunContext } from '../run/context.js';
import { checkOptions } from '../run/options.js';
import { stopwatch } from '../report/clock.js';
import { loadOn, stateAfter, verifyLoaded, type LoadOptions } from './load.js';

export interface CiOptions extends Omit<LoadOptions, 'verify' | 'dryRun'>, Criteria {
  /** Verify as on a fresh load: what a running stack writes, and what hangs on the fleet, is drift. */
  pristine?: boolean | undefined;
}

/**
 * Loads fixtures, verifies them, and judges the load. The report's verdict says how that went; only what keeps it from
 * being reached is an error.
 *
 * @throws ScaleSeedError, as `load` and `verify` do; `configuration` for a baseline that cannot be compared with.
 */
export async function ci(options: CiOptions = {}): Promise<CiReport> {
  checkOptions('ci', options);
  const { fixtures = SETS.fleet, mode = 'online' } = options;
  if (options.maxRegressionPercent !== undefined && options.baseline === undefined)
    throw refusal(
      '--max-regression (maxRegressionPercent) needs something to compare with',
      "add --baseline (baseline), an earlier run's report",
    );
  if (fixtures.every(({ count }) => count === 0))
    throw refusal(
      'there are no rows to load, so there is nothing to judge',
      'choose a fixture that has some',
    );
  const baseline = options.baseline && asBaseline(options.baseline);
  refuseIncomparable(baseline, {
    mode,
    fixtures: fixtures.map(({ name, count: rows, frozenFingerprint: fingerprint }) => ({
      name,
      rows,
      fingerprint,
    })),
  });
  const criteria = { ...options, baseline };
  return withDatabase('ci', options, async (context) => {
    const total = stopwatch();
    // A comparison with a baseline can do without the measurement, a budget for it cannot.
    const check = options.budgetRatio === undefined ? undefined : requireMeasurable;
    const report = await loadOn(context, options, check);
    try {
      const judged = await judgeLoad(context, { ...options, fixtures, report }, criteria);
      const peakRssBytes = process.resourceUsage().maxRSS * 1024;
      return rounded({ ...judged, peakRssBytes, timings: { ...report.timings, totalMs: total() } });
    } catch (error) {
      const state = `${stateAfter(report)}; nothing was judged`;
      throw translateError(error, { phase: 'measure' }).with({ state });
    }
  });
}

async function judgeLoad(
  context: RunContext,
  load: RealLoad & CiOptions,
  criteria: Criteria,
): Promise<CiReport> {
  const { report } = load;
  // Where something failed, fixtures may be missing in the report, and nothing is compared.
  if (report.failures.length === 0)
    refuseIncomparable(criteria.baseline, { ...report, serverVersion: report.server.version });
  // What was waited for is there.
  const look = () => verifyLoaded(context, { ...load, waitMs: 0, live: load.pristine !== true }, report);
  let verified = await look();
  if (!context.signal.aborted) await sweepScratchSchemas(context);
  const isWhole = report.failures.length === 0 && verified.intact;
  const wanted = isWhole ? wantedOf(criteria) : undefined;
  const { unmeasured, ...measured } = (wanted && (await measure(context, load, wanted, criteria))) ?? {};
  // That takes a while, in which the fleet may have gone.
  if (wanted !== undefined) verified = await look();
  const failures = joinFailures(report.failures, verified.failures);
  const judged = { ...report, failures, verified, ...measured };
  return { ...judged, command: 'ci', verdict: judge({ ...judged, unmeasured }, criteria) };
}

/** Where a budget asks for the measurement it must be had; a comparison that lacks it is inconclusive, and told. */
async function measure(
  context: RunContext,
  load: RealLoad,
  wanted: Wanted,
  { budgetRatio }: Criteria,
): Promise<Pick<CiReport, 'reference'> & { unmeasured?: string }> {
  try {
    return { reference: await measureRatio(context, load, wanted) };
  } catch (error) {
    const mayBeMissing =
      error instanceof ScaleSeedError && ['privilege', 'configuration'].includes(error.code);
    if (budgetRatio !== undefined || !mayBeMissing) throw error;
    return { unmeasured: `${error.message}: ${error.hint}` };
  }
}
