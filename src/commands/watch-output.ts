import { EXIT } from './exit-codes.js';

/**
 * A reader such as `head` that has seen enough is no failure. A disk that is full behind standard output is one, whatever
 * the command itself has come to.
 */
export function watchOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    process.stderr.write(`scale-seed: standard output cannot be written: ${error.message}\n`);
    process.once('exit', () => {
      process.exitCode = EXIT.failed;
    });
  });
}
