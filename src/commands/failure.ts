import { inspect } from 'node:util';
import { ScaleSeedError } from '../errors.js';
import { EXIT } from './exit-codes.js';

/** Prints what went wrong on standard error and returns the exit code. */
export function reportFailure(error: unknown, interruptedBy: typeof process.exitCode): number {
  printFailure(error);
  return exitCodeOf(error, interruptedBy);
}

/** Prints what went wrong, and `where`, on standard error; only a bug shows its stack. */
export function printFailure(error: unknown, where = ''): void {
  if (!(error instanceof ScaleSeedError)) {
    if (isAbort(error)) return;
    process.stderr.write(`scale-seed: this is a bug, please report it\n${inspect(error)}\n`);
    return;
  }
  const lines = [
    `scale-seed: ${where}${error.message}`,
    ...(error.state === undefined ? [] : [`  now: ${error.state}`]),
    ...(error.hint === undefined ? [] : [`  try: ${error.hint}`]),
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** The exit code that an error asks for; `interruptedBy` is what a signal has set. */
export function exitCodeOf(error: unknown, interruptedBy: typeof process.exitCode): number {
  const interrupted = error instanceof ScaleSeedError ? error.code === 'interrupted' : isAbort(error);
  if (interrupted) return Number(interruptedBy ?? EXIT.failed);
  return error instanceof ScaleSeedError && callersFault(error) ? EXIT.usage : EXIT.failed;
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Whether the command would have to be called differently: nothing about the server is wrong. */
function callersFault({ code, phase }: ScaleSeedError): boolean {
  if (code === 'fixture') return phase === 'configure';
  return code === 'usage' || code === 'configuration' || code === 'guard';
}
