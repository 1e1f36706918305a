import type { Check } from '../report/result.js';
import { formatCount, formatMs, formatRatio } from '../report/units.js';

/** An amount of a check in its unit. */
export function showAmount(amount: number, unit: Check['unit']): string {
  switch (unit) {
    case 'ms':
      return formatMs(amount);
    case 'ratio':
      return formatRatio(amount);
    case 'percent':
      return `${amount < 0 ? '' : '+'}${Math.round(amount)} %`;
    case 'rows':
      return `${formatCount(amount)} rows`;
  }
}

/** What was measured, and what was allowed, in a sentence; then why the check came out as it did. */
export function describeCheck({ name, reason, measured, limit, unit }: Check): string {
  if (measured === null) return reason;
  const [found, allowed] = [showAmount(measured, unit), showAmount(limit, unit)];
  const sentence = {
    verify: `${found} differ from the fixtures, and none may`,
    budget: `the load took ${found}, and ${allowed} is the budget`,
    'budget-ratio': `the load took ${found} of the reference load's time, and ${allowed} is the limit`,
    'max-regression': `the load is ${found} against the baseline, and ${allowed} is the limit`,
  }[name];
  return `${sentence}: ${reason}`;
}
