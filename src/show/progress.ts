import type { WriteStream } from 'node:tty';
import type { OnEvent } from '../report/events.js';
import type { StepEvent } from './follow-run.js';
import { logProgress } from './progress-log.js';

export interface Progress {
  onEvent: OnEvent;
  /** Nothing is shown afterwards; where bars were, the cursor is back. */
  stop: () => void;
}

/** How progress is shown. */
export interface Display {
  step: (event: StepEvent) => void;
  /** One schema of many is through. */
  end: (schema: string) => void;
  print: (line: string) => void;
  stop: () => void;
}

/**
 * Shows a run on standard error: bars on a terminal, now and then a line in a log or on a terminal that cannot move its
 * cursor, and no colour anywhere. Confirmations are always shown. `keep` leaves the bars there when the run is over.
 */
export async function showProgress(
  stream: WriteStream,
  { progress, notices, keep }: { progress: boolean; notices: boolean; keep: boolean },
): Promise<Progress> {
  const print = (line: string): void => void stream.write(`${line}\n`);
  const silent: Display = { step: () => undefined, end: () => undefined, print, stop: () => undefined };
  const terminal = stream.isTTY && process.env.TERM !== 'dumb';
  const shown = !progress ? silent : terminal ? await bars(stream, keep) : logProgress(print);
  return {
    onEvent(event) {
      if (event.type === 'confirmation') shown.print(event.line);
      else if (event.type === 'end') shown.end(event.schema);
      else if (event.type !== 'notice') shown.step(event);
      else if (notices) shown.print(event.message);
    },
    stop: shown.stop,
  };
}

/** Loaded when there is a terminal: a log has no use for it. */
async function bars(stream: WriteStream, keep: boolean): Promise<Display> {
  const { showBars } = await import('./progress-bars.js');
  return showBars(stream, { keep });
}
