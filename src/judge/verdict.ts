import type { Baseline } from './baseline.js';
import { estimateMedian } from './median-interval.js';
import { isTooWide, ratiosOf, regressionLimit, sideOf, type Wanted } from './ratio-rounds.js';
import type { Check, CiReport, LoadedFixture, RatioMeasurement, Verdict } from '../report/result.js';
import { formatMs, formatRatio } from '../report/units.js';

/** What a run is judged by, apart from its rows, which must stand as the fixtures have them. */
export interface Criteria {
  /** Most that the load may take, in milliseconds. */
  budgetMs?: number | undefined;
  /**
   * Most that the load may take, as a multiple of a reference load of the same fixtures by plain INSERT ... SELECT. It is
   * measured in the same run, in a scratch schema that goes away; that needs the right to create one.
   */
  budgetRatio?: number | undefined;
  /** The report of an earlier load or run of `ci` to compare with. */
  baseline?: Baseline | undefined;
  /** How much slower than the baseline the load may be, in percent. */
  maxRegressionPercent: number;
}

/** What of a run is judged. */
interface Judged extends Pick<CiReport, 'fixtures' | 'timings' | 'verified' | 'reference'> {
  /** Why the load could not be measured against the reference. */
  unmeasured?: string | undefined;
}

/** What a check comes to. */
type Finding = Pick<Check, 'outcome' | 'reason' | 'measured' | 'interval'>;

/** Judges a run by every criterion that was given. */
export function judge(run: Judged, criteria: Criteria): Verdict {
  const { budgetMs, budgetRatio, baseline, maxRegressionPercent } = criteria;
  const checks = [
    verifyCheck(run),
    ...(budgetMs === undefined ? [] : [budgetCheck(run, budgetMs)]),
    ...(budgetRatio === undefined ? [] : [ratioCheck(run, budgetRatio)]),
    ...(baseline === undefined ? [] : [regressionCheck(run, baseline, maxRegressionPercent)]),
  ];
  const failed = (...names: Check['name'][]): boolean =>
    checks.some(({ name, outcome }) => outcome === 'fail' && names.includes(name));
  if (failed('verify')) return { outcome: 'drift', checks };
  if (failed('budget', 'budget-ratio')) return { outcome: 'over budget', checks };
  return { outcome: failed('max-regression') ? 'regressed' : 'pass', checks };
}

/** What the rounds of the measurement must settle; undefined where nothing is judged by it. */
export function wantedOf({ budgetRatio, baseline, maxRegressionPercent }: Criteria): Wanted | undefined {
  if (budgetRatio === undefined && baseline === undefined) return undefined;
  const before = baseline && ratioOf(baseline);
  const limits = [budgetRatio, before && regressionLimit(before.median, maxRegressionPercent)];
  return { limits: limits.filter((limit) => limit !== undefined), widthPercent: maxRegressionPercent };
}

/** The baseline's measurement against the reference, if it has one. */
function ratioOf(baseline: Baseline): RatioMeasurement | undefined {
  return baseline.command === 'ci' ? baseline.reference : undefined;
}

/** The rows stand as the fixtures have them. */
function verifyCheck({ verified: { intact, fixtures } }: Judged): Check {
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
function budgetCheck({ fixtures, timings: { workMs } }: Judged, limit: number): Check {
  const within = workMs <= limit;
  const reason = fixtures.every(({ inserted }) => inserted === 0)
    ? 'every row stood already: this is the time that it took to see that'
    : within
      ? 'the load took no longer than it may'
      : `the load took longer than it may: ${fixtures.map(timeOf).join('; ')}`;
  const outcome = within ? 'pass' : 'fail';
  return { name: 'budget', outcome, reason, unit: 'ms', measured: workMs, limit, interval: null };
}

/** Where a fixture's time went. */
function timeOf({ name, timings: { copyMs, mergeMs, totalMs } }: LoadedFixture): string {
  const rest = Math.max(0, totalMs - copyMs - mergeMs);
  return `${name} ${formatMs(totalMs)} (copy ${formatMs(copyMs)}, merge ${formatMs(mergeMs)}, rest ${formatMs(rest)})`;
}

/** The load took no longer than `limit` reference loads. */
function ratioCheck(run: Judged, limit: number): Check {
  const { reference } = run;
  const found = reference === undefined ? notMeasured(run) : judgeRatio(reference, limit);
  return { name: 'budget-ratio', unit: 'ratio', limit, ...found };
}

/**
 * The load is no more than `limit` percent slower than the baseline's. Their ratios to the reference load are compared,
 * since only those hold from one machine or hour to another; where there are none, nobody can tell.
 */
function regressionCheck(run: Judged, baseline: Baseline, limit: number): Check {
  return { name: 'max-regression', unit: 'percent', limit, ...compareRatios(run, ratioOf(baseline), limit) };
}

function compareRatios(run: Judged, before: RatioMeasurement | undefined, limit: number): Finding {
  if (run.reference === undefined) return notMeasured(run);
  if (before === undefined) return unfit('the baseline has no ratio to a reference load');
  const range = before.interval.map(formatRatio).join(' to ');
  if (isTooWide(before, limit))
    return unfit(
      `the baseline's ratio is only known to be from ${range}, which is wider than what is allowed`,
    );
  const { outcome, reason, measured, interval } = judgeRatio(
    run.reference,
    regressionLimit(before.median, limit),
  );
  const percentOver = (ratio: number): number => (ratio / before.median - 1) * 100;
  return {
    outcome,
    reason: `ratios to the reference load were compared, ${formatRatio(before.median)} then, ${formatRatio(measured)} now: ${reason}`,
    measured: percentOver(measured),
    interval: [percentOver(interval[0]), percentOver(interval[1])],
  };
}

const NO_TIME = { measured: null, interval: null };

function unfit(problem: string): Finding {
  const reason = `${problem}; take this run's report as the new baseline`;
  return { outcome: 'inconclusive', reason, ...NO_TIME };
}

/** Why there is no ratio of this run's. */
function notMeasured({ unmeasured }: Judged): Finding {
  if (unmeasured !== undefined) return { outcome: 'inconclusive', reason: unmeasured, ...NO_TIME };
  return { outcome: 'skipped', reason: 'a fleet that drifted is not measured', ...NO_TIME };
}

/** What rounds say of a limit; over it is only what fresh rounds have confirmed. */
function judgeRatio({ rounds }: RatioMeasurement, limit: number) {
  const first = rounds.filter(({ confirming }) => !confirming);
  const fresh = rounds.filter(({ confirming }) => confirming);
  const side = sideOf(first, limit);
  const verdict = side === 'over' && sideOf(fresh, limit) !== 'over' ? 'unconfirmed' : side;
  const noise = 'the difference is smaller than the noise';
  const findings = {
    within: ['pass', `the interval of ${first.length} rounds is within the limit`],
    over: [
      'fail',
      `the interval of ${first.length} rounds is over the limit, and ${fresh.length} more confirm it`,
    ],
    unclear: ['inconclusive', `${first.length} rounds do not tell: ${noise}`],
    unconfirmed: [
      'inconclusive',
      `${first.length} rounds were over it, ${fresh.length} more do not confirm it: ${noise}`,
    ],
  } as const;
  const [outcome, reason] = findings[verdict];
  const { median: measured, interval } = estimateMedian(ratiosOf(side === 'over' ? rounds : first));
  return { outcome, reason, measured, interval };
}
