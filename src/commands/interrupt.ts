import { EXIT } from './exit-codes.js';

/** Ctrl-C and SIGTERM as a signal for the library; sets the exit code. A second one ends the process at once. */
export function onInterrupt(): { signal: AbortSignal; off: () => void } {
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => {
    const code = signal === 'SIGINT' ? EXIT.sigint : EXIT.sigterm;
    if (controller.signal.aborted) process.exit(code);
    process.exitCode = code;
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return {
    signal: controller.signal,
    off: () => {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    },
  };
}
