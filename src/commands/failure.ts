import { inspect } from 'node:util';
import { messageOf, ScaleSeedError } from '../errors.js';
import type { Failure } from '../report/result.js';
import { describeFailure } from '../show/describe.js';
import { EXIT } from './exit-codes.js';

/** Prints what went wrong on standard error and returns the exit code. */
export function reportFailure(error: unknown, interruptedBy: typeof process.exitCode): number {
  const known = asScaleSeedError(error);
  printFailure(known);
  // What nobody foresaw is to be reported, with where it came from.
  if (known.code === 'unexpected') process.stderr.write(`${inspect(known.cause ?? known)}\n`);
  return exitCodeOf(known, interruptedBy);
}

/** Whatever was thrown as an error of ours. */
export function asScaleSeedError(error: unknown): ScaleSeedError {
  if (error instanceof ScaleSeedError) return error;
  if (error instanceof DOMException && error.name === 'AbortError')
    return new ScaleSeedError('interrupted', { code: 'interrupted', phase: 'configure' });
  const message = `unexpected: ${messageOf(error)}`;
  return new ScaleSeedError(message, { code: 'unexpected', phase: 'configure', cause: error });
}

/** Prints what went wrong, and `where`, on standard error. */
export function printFailure(failure: Pick<Failure, 'message' | 'state' | 'hint'>, where = ''): void {
  process.stderr.write(`scale-seed: ${where}${describeFailure(failure).join('\n  ')}\n`);
}

/** The exit code that a failure asks for; `interruptedBy` is what a signal has set. */
export function exitCodeOf(
  failure: Pick<Failure, 'code' | 'phase'>,
  interruptedBy: typeof process.exitCode,
): number {
  if (failure.code === 'interrupted') return Number(interruptedBy ?? EXIT.failed);
  return callersFault(failure) ? EXIT.usage : EXIT.failed;
}

/** Whether the command would have to be called differently: nothing about the server is wrong. */
function callersFault({ code, phase }: Pick<Failure, 'code' | 'phase'>): boolean {
  if (code === 'fixture') return phase === 'configure';
  return code === 'usage' || code === 'configuration' || code === 'guard';
}
