import type { WriteStream } from 'node:tty';
import type { OnEvent } from '../report/events.js';
import { traceSteps } from './trace.js';

/**
 * Shows a run on standard error: bars on a terminal, now and then some lines in a log or on a terminal that cannot move
 * its cursor, and no colour anywhere. Confirmations are always shown. `keep` leaves the bars there when the run is over.
 * `trace` shows each step with its time. Nothing is shown after `stop`; where bars were, the cursor is back.
 */
export async function showProgress(
  stream: WriteStream,
  { progress, notices, trace, keep }: { progress: boolean; notices: boolean; trace: boolean; keep: boolean },
): Promise<{ onEvent: OnEvent; stop: () => void }> {
  const terminal = stream.isTTY && process.env.TERM !== 'dumb';
  const bars = progress
    ? (await import('./progress-bars.js')).showBars(stream, { terminal, keep })
    : undefined;
  const print = bars?.print ?? ((line: string): void => void stream.write(`${line}\n`));
  const tell = trace ? traceSteps(print) : undefined;
  return {
    onEvent(event) {
      tell?.(event);
      if (event.type === 'confirmation') print(event.line);
      else if (event.type === 'notice' && notices) print(`scale-seed: ${event.message}`);
      else if (event.type !== 'notice' && event.type !== 'stage') bars?.step(event);
    },
    stop: () => bars?.stop(),
  };
}
