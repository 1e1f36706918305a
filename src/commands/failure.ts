import { inspect } from 'node:util';
import { ScaleSeedError } from '../errors.js';
import { EXIT } from './exit-codes.js';

/** Prints what went wrong on standard error and returns the exit code; only a bug shows its stack. */
export function reportFailure(error: unknown, interruptedBy: typeof process.exitCode): number {
  if (!(error instanceof ScaleSeedError)) {
    if (error instanceof DOMException && error.name === 'AbortError')
      return Number(interruptedBy ?? EXIT.failed);
    process.stderr.write(`scale-seed: this is a bug, please report it\n${inspect(error)}\n`);
    return EXIT.failed;
  }
  const lines = [
    `scale-seed: ${error.message}`,
    ...(error.state === undefined ? [] : [`  now: ${error.state}`]),
    ...(error.hint === undefined ? [] : [`  try: ${error.hint}`]),
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
  if (error.code === 'interrupted') return Number(interruptedBy ?? EXIT.failed);
  return callersFault(error) ? EXIT.usage : EXIT.failed;
}

/** Whether the command would have to be called differently: nothing about the server is wrong. */
function callersFault({ code, phase }: ScaleSeedError): boolean {
  if (code === 'fixture') return phase === 'configure';
  return code === 'usage' || code === 'configuration' || code === 'guard';
}
