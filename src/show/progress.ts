import type { WriteStream } from 'node:tty';
import type { OnEvent } from '../report/events.js';

/**
 * Shows a run on standard error: bars on a terminal, now and then some lines in a log or on a terminal that cannot move
 * its cursor, and no colour anywhere. Confirmations are always shown. `keep` leaves the bars there when the run is over.
 * Nothing is shown after `stop`; where bars were, the cursor is back.
 */
export async function showProgress(
  stream: WriteStream,
  { progress, notices, keep }: { progress: boolean; notices: boolean; keep: boolean },
): Promise<{ onEvent: OnEvent; stop: () => void }> {
  const terminal = stream.isTTY && process.env.TERM !== 'dumb';
  const bars = progress
    ? (await import('./progress-bars.js')).showBars(stream, { terminal, keep })
    : undefined;
  const print = bars?.print ?? ((line: string): void => void stream.write(`${line}\n`));
  return {
    onEvent(event) {
      if (event.type === 'confirmation') print(event.line);
      else if (event.type !== 'notice') bars?.step(event);
      else if (notices) print(event.message);
    },
    stop: () => bars?.stop(),
  };
}
