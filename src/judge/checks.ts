import { ratioOf, type Baseline } from './baseline.js';
import { estimateMedian, type MedianEstimate } from './median-interval.js';
import { judgeRounds, ratiosOf, regressionLimit } from './ratio-rounds.js';
import type { Check, CiReport, RatioMeasurement } from '../report/result.js';
import { formatCount, formatMs, formatRatio } from '../report/units.js';

/** What of a run is judged. */
export type Judged = Pick<CiReport, 'fixtures' | 'verified' | 'reference'> & { timings: { workMs: number } };

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
      : `the load took ${workMs <= limit ? 'no longer' : 'longer'} than it may`,
    unit: 'ms',
    measured: workMs,
    limit,
    interval: null,
  };
}

/** The load took no longer than `limit` reference loads. */
export function ratioCheck({ reference }: Judged, limit: number): Check {
  const check = { name: 'budget-ratio', unit: 'ratio', limit } as const;
  if (reference === undefined) return { ...check, ...NOT_MEASURED };
  const { outcome, reason, estimate } = judgeRatio(reference, limit);
  return { ...check, outcome, reason, measured: estimate.median, interval: estimate.interval };
}

/**
 * The load is no more than `limit` percent slower than the baseline's: by their ratios to the reference load where both
 * have one, since only those can be compared from one machine or hour to another, else by their times.
 */
export function regressionCheck(run: Judged, baseline: Baseline, limit: number, measured: boolean): Check {
  const check = { name: 'max-regression', unit: 'percent', limit } as const;
  const before = measured ? ratioOf(baseline) : undefined;
  if (before === undefined) return { ...check, ...compareTimes(run, baseline, limit) };
  if (run.reference === undefined) return { ...check, ...NOT_MEASURED };
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

const NOT_MEASURED = {
  outcome: 'skipped',
  reason: 'a fleet that drifted is not measured',
  measured: null,
  interval: null,
} as const;

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

function compareTimes(
  { fixtures, timings: { workMs } }: Judged,
  { timings: before }: Baseline,
  limit: number,
): Pick<Check, 'outcome' | 'reason' | 'measured' | 'interval'> {
  const skipped = fixtures.reduce((sum, fixture) => sum + fixture.skipped, 0);
  if (skipped > 0) {
    const reason = `${formatCount(skipped)} rows stood already, so this run's time is not that of a load`;
    return { outcome: 'skipped', reason, measured: null, interval: null };
  }
  const measured = percentOver(workMs, before.workMs);
  return {
    outcome: measured > limit ? 'fail' : 'pass',
    reason: `absolute times of one load each were compared, ${formatMs(before.workMs)} then, ${formatMs(workMs)} now; with --budget-ratio in both runs it would be ratios, which hold on a busy machine`,
    measured,
    interval: null,
  };
}

function percentOver(now: number, before: number): number {
  return (now / before - 1) * 100;
}
