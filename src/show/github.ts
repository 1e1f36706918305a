import type { CiReport } from '../report/result.js';
import { describeCheck } from './describe-check.js';
import { driftRemarks } from './drift-remarks.js';

/**
 * A verdict as workflow commands of GitHub's: what failed is an error, what nobody can tell a warning. The runner reads
 * them on standard error as well.
 */
export function renderAnnotations({ verdict, verified }: CiReport): string {
  return verdict.checks
    .filter(({ outcome }) => outcome === 'fail' || outcome === 'inconclusive')
    .map((check) => {
      const drift = check.name === 'verify' ? verified.fixtures.flatMap(driftRemarks).join('\n') : '';
      return annotate(
        check.outcome === 'fail' ? 'error' : 'warning',
        check.name,
        drift || describeCheck(check),
      );
    })
    .join('');
}

/** One workflow command. Its text may hold rows of the database, so nothing in it must read as a command. */
export function annotate(level: 'error' | 'warning', title: string, message: string): string {
  return `::${level} title=${escapeProperty(`scale-seed ci: ${title}`)}::${escapeData(message)}\n`;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
