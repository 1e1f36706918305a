import type { Baseline } from './baseline.js';
import { estimateMedian } from './median-interval.js';
import { isTooWide, ratiosOf, regressionLimit, sideOf, type Wanted } from './ratio-rounds.js';
import type { Check, CiReport, LoadedFixture, RatioMeasurement, Verdict } from '../report/result.js';
import { named, newFailures } from '../report/schemas.js';
import { everyColumn, formatCount, formatMs, formatRatio, formatRows } from '../report/units.js';

/** What a run is judged by, apart from its rows, which must stand as the fixtures have them. */
export interface Criteria {
  /** Most that the load (`workMs`) may take, in milliseconds: without connecting, waiting and settling. */
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

const MAX_REGRESSION_PERCENT = 20;

interface Judged extends Pick<CiReport, 'fixtures' | 'failures' | 'timings' | 'verified' | 'reference'> {
  /** Why the load could not be measured against the reference. */
  unmeasured?: string | undefined;
}

type Finding = Pick<Check, 'outcome' | 'reason' | 'measured' | 'interval'>;

/** Judges a run by every criterion that was given. */
export function judge(run: Judged, criteria: Criteria): Verdict {
  const { budgetMs, budgetRatio, baseline, maxRegressionPercent: limit = MAX_REGRESSION_PERCENT } = criteria;
  const checks: Check[] = [{ name: 'verify', unit: 'rows', limit: 0, ...checkRows(run) }];
  if (budgetMs !== undefined)
    checks.push({ name: 'budget', unit: 'ms', limit: budgetMs, ...checkTime(run, budgetMs) });
  if (budgetRatio !== undefined)
    checks.push({ name: 'budget-ratio', unit: 'ratio', limit: budgetRatio, ...checkRatio(run, budgetRatio) });
  if (baseline !== undefined)
    checks.push({ name: 'max-regression', unit: 'percent', limit, ...compare(run, baseline, limit) });
  const failed = (...names: Check['name'][]): boolean =>
    checks.some(({ name, outcome }) => outcome === 'fail' && names.includes(name));
  if (run.failures.length > 0) return { outcome: 'failed', checks };
  if (failed('verify')) return { outcome: 'drift', checks };
  if (failed('budget', 'budget-ratio')) return { outcome: 'over budget', checks };
  return { outcome: failed('max-regression') ? 'regressed' : 'pass', checks };
}

/** What the rounds of the measurement must settle; undefined where nothing is judged by it. */
export function wantedOf(criteria: Criteria): Wanted | undefined {
  const { budgetRatio, baseline, maxRegressionPercent: percent = MAX_REGRESSION_PERCENT } = criteria;
  if (budgetRatio === undefined && baseline === undefined) return undefined;
  const before = baseline && ratioOf(baseline);
  const limits = [budgetRatio, before && regressionLimit(before.median, percent)];
  // What is compared, and may be the next one's baseline, has to be known well.
  const widthPercent = baseline === undefined ? Infinity : percent;
  return { limits: limits.filter((limit) => limit !== undefined), widthPercent };
}

function ratioOf(baseline: Baseline): RatioMeasurement | undefined {
  return baseline.command === 'ci' ? baseline.reference : undefined;
}

/** Schemas in which something failed to load; in the others it was the verification that failed. */
function notLoaded({ fixtures, failures, verified }: Judged): Set<string | null> {
  const ofLoad = newFailures(verified.failures, failures);
  const failed = failures.filter(
    (failure) =>
      failure.schema !== null &&
      (ofLoad.includes(failure) || !fixtures.some(({ schema }) => schema === failure.schema)),
  );
  return new Set(failed.map(({ schema }) => schema));
}

function checkRows(run: Judged): Finding {
  const { verified } = run;
  const { live, intact, fixtures, failures } = verified;
  const broken = named(verified).filter((fixture) => !fixture.intact);
  const listed = (isOld: boolean): string =>
    broken.flatMap(({ name, tooOld }) => (tooOld === isOld ? [name] : [])).join(', ');
  const [drifted, old] = [listed(false), listed(true)];
  const schemas = [...new Set(failures.map(({ schema }) => schema))];
  const lacking = notLoaded(run);
  const loaded = schemas.filter((schema) => !lacking.has(schema));
  const wrong = [
    drifted !== '' && `${drifted} drifted`,
    old !== '' && `${old} is too old`,
    loaded.length < schemas.length && 'what failed to load was not verified',
    loaded.length > 0 && `the verification of ${loaded.join(', ')} failed`,
  ].filter(Boolean);
  let measured = 0;
  for (const { missing, unexpected, driftedRows, hanging } of fixtures) {
    const left = live ? 0 : hanging.reduce((sum, { rows }) => sum + rows, 0);
    measured += missing.rows + unexpected.rows + driftedRows + left;
  }
  const right = live
    ? 'every row stands as it was loaded, but for what a running stack writes'
    : `${everyColumn(fixtures)} of every row stands as it was loaded`;
  const [outcome, reason] = intact ? (['pass', right] as const) : (['fail', wrong.join('; ')] as const);
  return { outcome, reason, measured, interval: null };
}

function checkTime(run: Judged, limit: number): Finding {
  const { fixtures } = run;
  const { workMs } = run.timings;
  const within = workMs <= limit;
  const sumOf = (part: 'rows' | 'skipped' | 'blocked'): number =>
    fixtures.reduce((sum, one) => sum + one[part], 0);
  const [blocked, failed] = [sumOf('blocked'), notLoaded(run).size];
  const lacks = [
    blocked > 0 && `${formatRows(blocked)} could not be added`,
    failed > 0 && `${formatCount(failed)} ${failed === 1 ? 'schema' : 'schemas'} failed`,
  ].filter(Boolean);
  if (lacks.length > 0) return untold(`what was loaded is not the fleet: ${lacks.join(', ')}`, 'skipped');
  const stood = sumOf('skipped');
  const besides =
    stood === 0 ? '' : `, where ${formatCount(stood)} of ${formatCount(sumOf('rows'))} rows stood already`;
  const reason = fixtures.every(({ rows, skipped }) => skipped === rows)
    ? 'every row stood already: nothing was loaded, and this is the time of the look'
    : within
      ? `the load took no longer than it may${besides}`
      : `the load took longer than it may${besides}: ${fixtures.map(timeOf).join('; ')}`;
  return { outcome: within ? 'pass' : 'fail', reason, measured: workMs, interval: null };
}

function timeOf({ name, timings: { copyMs, mergeMs, totalMs } }: LoadedFixture): string {
  const rest = Math.max(0, totalMs - copyMs - mergeMs);
  return `${name} ${formatMs(totalMs)} (copy ${formatMs(copyMs)}, merge ${formatMs(mergeMs)}, rest ${formatMs(rest)})`;
}

function checkRatio(run: Judged, limit: number): Finding {
  return run.reference === undefined ? notMeasured(run) : judgeRatio(run.reference, limit);
}

/** The load is at most `limit` percent slower than the baseline: by ratios to the reference, which hold on any machine. */
function compare(run: Judged, baseline: Baseline, limit: number): Finding {
  const before = ratioOf(baseline);
  const renew = "take this run's report as the new baseline";
  if (run.reference === undefined) return notMeasured(run);
  if (before === undefined) return untold(`the baseline has no ratio to a reference load; ${renew}`);
  const { median, interval } = before;
  const known = `from ${interval.map(formatRatio).join(' to ')}, which is wider than what is allowed`;
  if (isTooWide(before, limit)) return untold(`the baseline's ratio is only known to be ${known}; ${renew}`);
  const now = judgeRatio(run.reference, regressionLimit(median, limit));
  const compared = `${formatRatio(median)} then, ${formatRatio(now.measured)} now`;
  const percentOver = (ratio: number): number => (ratio / median - 1) * 100;
  return {
    outcome: now.outcome,
    reason: `ratios to the reference load were compared, ${compared}: ${now.reason}`,
    measured: percentOver(now.measured),
    interval: [percentOver(now.interval[0]), percentOver(now.interval[1])],
  };
}

function untold(reason: string, outcome: Check['outcome'] = 'inconclusive'): Finding {
  return { outcome, reason, measured: null, interval: null };
}

function notMeasured({ unmeasured }: Judged): Finding {
  if (unmeasured === undefined) return untold('only a fleet that stands as it should is measured', 'skipped');
  return untold(unmeasured);
}

/** What rounds say of a limit; over it is only what fresh rounds have confirmed. */
function judgeRatio({ rounds, leftOut }: RatioMeasurement, limit: number) {
  const first = rounds.filter(({ confirming }) => !confirming);
  const fresh = rounds.filter(({ confirming }) => confirming);
  const side = sideOf(first, limit);
  const confirmed = sideOf(fresh, limit) === 'over';
  const [count, more] = [first.length, fresh.length];
  const noise = 'the difference is smaller than the noise';
  const findings = {
    within: ['pass', `the interval of ${count} rounds is within the limit`],
    over: ['fail', `the interval of ${count} rounds is over the limit, and ${more} more confirm it`],
    unclear: ['inconclusive', `${count} rounds do not tell: ${noise}`],
    unconfirmed: ['inconclusive', `${count} rounds were over it, ${more} more do not confirm it: ${noise}`],
  } as const;
  const [outcome, why] = findings[side === 'over' && !confirmed ? 'unconfirmed' : side];
  const reason = leftOut.length === 0 ? why : `${why}; measured without ${leftOut.join(', ')}`;
  const { median: measured, interval } = estimateMedian(ratiosOf(side === 'over' ? rounds : first));
  return { outcome, reason, measured, interval };
}
