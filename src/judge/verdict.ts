import { budgetCheck, ratioCheck, regressionCheck, verifyCheck, type Judged } from './checks.js';
import { ratioOf, type Baseline } from './baseline.js';
import { regressionLimit, type Wanted } from './ratio-rounds.js';
import type { Check, Verdict } from '../report/result.js';

/** What a run is judged by, apart from its rows, which must stand as the fixtures have them. */
export interface Criteria {
  /** Most that the load may take, in milliseconds. */
  budgetMs?: number | undefined;
  /** Most that the load may take, as a multiple of the reference load. */
  budgetRatio?: number | undefined;
  baseline?: Baseline | undefined;
  /** How much slower than the baseline the load may be. */
  maxRegressionPercent: number;
}

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
  // What is compared, and may be the next one's baseline, has to be known well.
  const widthPercent = baseline === undefined ? Infinity : maxRegressionPercent;
  return { limits: limits.filter((limit) => limit !== undefined), widthPercent };
}
