import { inspect } from 'node:util';
import { COMMITTED, messageOf, ScaleSeedError } from '../errors.js';
import type { Manifest, ManifestFixture } from '../report/manifest.js';
import type { Failure, Report } from '../report/result.js';
import { inOneLine } from '../report/units.js';
import { describeFailure } from '../show/describe.js';
import { EXIT } from './exit-codes.js';

/** The exit code that a report or a manifest asks for; what failed in one schema or another is printed. */
export function conclude(report: Report | Manifest): number {
  const { failures = [] } = report;
  const someDone = 'command' in report ? report.fixtures.length > 0 : report.fixtures.some(stands);
  if (failures.length > 0) return concludeFailures(failures, someDone);
  if (!('command' in report)) return EXIT.done;
  if (!isAsAsked(report)) return EXIT.drift;
  return report.command === 'ci' && report.verdict.outcome !== 'pass' ? EXIT.overBudget : EXIT.done;
}

const stands = ({ standing = [] }: ManifestFixture): boolean => standing.length > 0;

/** After a load or reset every row of the fixtures stands, and what was verified is intact. */
function isAsAsked(report: Report): boolean {
  if (report.command === 'clean') return true;
  if (report.command === 'verify') return report.intact;
  if (report.command === 'ci') return report.verdict.outcome !== 'drift';
  const whole = report.fixtures.every(({ rows, present }) => present >= rows);
  if (report.command === 'reset')
    return whole && report.fixtures.every(({ overruled }) => overruled.length === 0);
  return whole && report.verified?.intact !== false;
}

/**
 * Prints each failure once, with all schemas that it struck. Interrupted counts more than failed; and only where nothing
 * was done, and each would have to be called for differently, does the whole command.
 */
function concludeFailures(failures: readonly Failure[], someDone: boolean): number {
  const struck = new Map<string, { failure: Failure; schemas: Set<string> }>();
  for (const failure of failures) {
    const { schema, ...rest } = failure;
    const same = struck.get(JSON.stringify(rest)) ?? { failure, schemas: new Set() };
    if (schema !== null) same.schemas.add(schema);
    struck.set(JSON.stringify(rest), same);
  }
  for (const { failure, schemas } of struck.values())
    printFailure(failure, schemas.size === 0 ? '' : inOneLine(`${[...schemas].join(', ')}: `));
  const codes = new Set(failures.map(exitCodeOf));
  const interrupted = [EXIT.sigint, EXIT.sigterm].find((code) => codes.has(code));
  if (interrupted !== undefined) return interrupted;
  return !someDone && codes.size === 1 && codes.has(EXIT.usage) ? EXIT.usage : EXIT.failed;
}

/** Prints what went wrong on standard error and returns the exit code. */
export function reportFailure(error: unknown): number {
  const known = asScaleSeedError(error);
  printFailure(known);
  // What nobody foresaw is to be reported, with where it came from.
  if (known.code === 'unexpected') process.stderr.write(`${inspect(known.cause ?? known)}\n`);
  return exitCodeOf(known);
}

/** Whatever was thrown as an error of ours. */
export function asScaleSeedError(error: unknown): ScaleSeedError {
  if (error instanceof ScaleSeedError) return error;
  // Node's own waits are aborted with an error of their own.
  if (error instanceof Error && error.name === 'AbortError')
    return new ScaleSeedError('interrupted', { code: 'interrupted', phase: 'configure' });
  const message = `unexpected: ${messageOf(error)}`;
  return new ScaleSeedError(message, { code: 'unexpected', phase: 'configure', cause: error });
}

function printFailure(failure: Failure | ScaleSeedError, where = ''): void {
  process.stderr.write(`scale-seed: ${where}${describeFailure(failure).join('\n  ')}\n`);
}

/** Usage, where the command would have to be called differently, nothing about the server is wrong, and no fixture done. */
function exitCodeOf({ code, phase, state }: Failure | ScaleSeedError): number {
  // Which signal it was has been set already.
  if (code === 'interrupted') return Number(process.exitCode ?? EXIT.failed);
  const callersFault =
    code === 'fixture' ? phase === 'configure' : ['usage', 'configuration', 'guard'].includes(code);
  return callersFault && state?.includes(COMMITTED) !== true ? EXIT.usage : EXIT.failed;
}
