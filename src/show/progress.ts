import type { WriteStream } from 'node:tty';
import type { OnEvent, RunEvent } from '../report/events.js';

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

/** Prints each step of a run with the time since it began; batches within a phase are not told apart. */
function traceSteps(print: (line: string) => void): OnEvent {
  const startMs = performance.now();
  const last = new Map<string, string>();
  return (event) => {
    const step = stepOf(event);
    if (step === undefined) return;
    const who = [event.schema, 'fixture' in event ? event.fixture : undefined].filter(Boolean).join('.');
    // Copying and merging take turns, batch after batch.
    if (last.get(who) === step || (step === 'copy' && last.get(who) === 'merge')) return;
    last.set(who, step);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(3);
    print(`scale-seed: ${seconds} s  ${[who, step].filter(Boolean).join(': ')}`);
  };
}

function stepOf(event: RunEvent): string | undefined {
  if (event.type === 'stage') return event.stage;
  if (event.type === 'phase') return event.phase;
  if (event.type === 'settle') return `settle ${event.table}`;
  if (event.type === 'measure') return `measure round ${event.round}`;
  return event.type === 'done' ? 'done' : undefined;
}
