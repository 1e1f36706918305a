import type { CiReport } from '../report/result.js';
import { named } from '../report/schemas.js';
import { annotate } from './annotate.js';
import { describeBlockedRows, describeCheck, describeDrift } from './describe.js';
import { failureRemark } from './summary.js';

/** A verdict as workflow commands: what failed is an error, what nobody can tell a warning. */
export function renderAnnotations(report: CiReport): string {
  const { verdict, verified, failures } = report;
  const failed = failures.map((failure) => annotate('error', 'failed', failureRemark(failure)));
  const blocked = named(report)
    .flatMap(describeBlockedRows)
    .map((remark) => annotate('error', 'load', remark));
  const drifted = named(verified).flatMap((fixture) => describeDrift(fixture, verified.live));
  const drift = drifted.join('\n');
  const checks = verdict.checks.map((check) => {
    const message = (check.name === 'verify' && drift) || describeCheck(check);
    if (check.outcome === 'fail') return annotate('error', check.name, message);
    return check.outcome === 'inconclusive' ? annotate('warning', check.name, message) : '';
  });
  return [...failed, ...blocked, ...checks].join('');
}
