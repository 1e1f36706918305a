import { EXIT } from './exit-codes.js';

/** A reader such as `head` that has seen enough is no failure; a full disk behind standard output is one. */
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
