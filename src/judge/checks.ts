import { ratioOf, type Baseline } from './baseline.js';
import { estimateMedian, type MedianEstimate } from './median-interval.js';
import { isTooWide, judgeRounds, ratiosOf, regressionLimit } from './ratio-rounds.js';
import type { Check, CiReport, LoadedFixture, RatioMeasurement } from '../report/result.js';
import { formatMs, formatRatio } from '../report/units.js';

/** What of a run is judged. */
export interface Judged extends Pick<CiReport, 'fixtures' | 'verified' | 'reference'> {
  timings: { workMs: number };
  /** Why the load could not be measured against the reference. */
  unmeasured?: string | undefined;
}

/** The rows stand as the fixtures have them. */
export function verifyCheck({ verified: { intact, fixtures } }: Judged): Check {
  const drifted = fixtures.filter((fixture) => !fixture.intact).map(({ name }) => name);
  return {
    name: 'verify',
    outcome: intact ? 'pass' : 'fail',
    reason: intact ? 'every column of every row stands as it was loaded' : `${drifted.join(', ')} drifted`,
    unit: 'rows',
    measured: fixtures.reduce(
      (sum, { missing, unexpected, driftedRows }) => sum + missing.rows + unexpected.rows + driftedRows,
      0,
    ),
    limit: 0,
    interval: null,
  };
}

/** The load took no longer than `limit` milliseconds. */
export function budgetCheck({ fixtures, timings: { workMs } }: Judged, limit: number): Check {
  const noOp = fixtures.every(({ inserted }) => inserted === 0);
  return {
    name: 'budget',
    outcome: workMs <= limit ? 'pass' : 'fail',
    reason: noOp
      ? 'every row stood already: this is the time that it took to see that'
      : workMs <= limit
        ? 'the load took no longer than it may'
        : `the load took longer than it may: ${fixtures.map(timeOf).join('; ')}`,
    unit: 'ms',
    measured: workMs,
    limit,
    interval: null,
  };
}

/** Where a fixture's time went. */
function timeOf({ name, timings: { copyMs, mergeMs, totalMs } }: LoadedFixture): string {
  const rest = Math.max(0, totalMs - copyMs - mergeMs);
  return `${name} ${formatMs(totalMs)} (copy ${formatMs(copyMs)}, merge ${formatMs(mergeMs)}, rest ${formatMs(rest)})`;
}

/** The load took no longer than `limit` reference loads. */
export function ratioCheck(run: Judged, limit: number): Check {
  const { reference } = run;
  const check = { name: 'budget-ratio', unit: 'ratio', limit } as const;
  if (reference === undefined) return { ...check, ...notMeasured(run) };
  const { outcome, reason, estimate } = judgeRatio(reference, limit);
  return { ...check, outcome, reason, measured: estimate.median, interval: estimate.interval };
}

/**
 * The load is no more than `limit` percent slower than the baseline's. Their ratios to the reference load are compared,
 * since only those hold from one machine or hour to another; where there are none, nobody can tell.
 */
export function regressionCheck(run: Judged, baseline: Baseline, limit: number): Check {
  const check = { name: 'max-regression', unit: 'percent', limit } as const;
  const before = ratioOf(baseline);
  const unfit = before === undefined ? NO_RATIOS : isTooWide(before, limit) ? tooWide(before) : undefined;
  if (run.reference === undefined) return { ...check, ...notMeasured(run) };
  if (before === undefined || unfit !== undefined)
    return {
      ...check,
      outcome: 'inconclusive',
      reason: `${unfit ?? ''}; ${MAKE_ANEW}`,
      measured: null,
      interval: null,
    };
  const { outcome, reason, estimate } = judgeRatio(run.reference, regressionLimit(before.median, limit));
  const [low, high] = estimate.interval;
  return {
    ...check,
    outcome,
    reason: `ratios to the reference load were compared, ${formatRatio(before.median)} then, ${formatRatio(estimate.median)} now: ${reason}`,
    measured: percentOver(estimate.median, before.median),
    interval: [percentOver(low, before.median), percentOver(high, before.median)],
  };
}

const NO_RATIOS = 'the baseline has no ratio to a reference load';
const MAKE_ANEW = "take this run's report as the new baseline";

function tooWide({ interval: [low, high] }: RatioMeasurement): string {
  return `the baseline's ratio is only known to be from ${formatRatio(low)} to ${formatRatio(high)}, which is wider than what is allowed`;
}

/** Why there is no ratio of this run's. */
function notMeasured({ unmeasured }: Judged): Pick<Check, 'outcome' | 'reason' | 'measured' | 'interval'> {
  return {
    outcome: unmeasured === undefined ? 'skipped' : 'inconclusive',
    reason: unmeasured ?? 'a fleet that drifted is not measured',
    measured: null,
    interval: null,
  };
}

const NOISE = 'the difference is smaller than the noise';

function judgeRatio(
  measurement: RatioMeasurement,
  limit: number,
): Pick<Check, 'outcome' | 'reason'> & { estimate: MedianEstimate } {
  const { rounds } = measurement;
  const first = rounds.filter(({ confirming }) => !confirming);
  const fresh = rounds.length - first.length;
  const [all, before] = [estimateMedian(ratiosOf(rounds)), estimateMedian(ratiosOf(first))];
  switch (judgeRounds(measurement, limit)) {
    case 'within':
      return {
        outcome: 'pass',
        reason: `the interval of ${first.length} rounds is within the limit`,
        estimate: before,
      };
    case 'over':
      return {
        outcome: 'fail',
        reason: `the interval of ${first.length} rounds is over the limit, and ${fresh} more confirm it`,
        estimate: all,
      };
    case 'unclear':
      return {
        outcome: 'inconclusive',
        reason: `${first.length} rounds do not tell: ${NOISE}`,
        estimate: before,
      };
    case 'unconfirmed':
      return {
        outcome: 'inconclusive',
        reason: `${first.length} rounds were over it, ${fresh} more do not confirm it: ${NOISE}`,
        estimate: all,
      };
  }
}

function percentOver(now: number, before: number): number {
  return (now / before - 1) * 100;
}
