import type { WriteStream } from 'node:tty';
import { nowMs } from '../report/clock.js';
import type { OnEvent, RunEvent } from '../report/events.js';
import { inOneLine } from '../report/units.js';
import type { showBars } from './progress-bars.js';

/** A log gets no line in the first five seconds. What writes them is not loaded for a run that ends sooner than this. */
const LOG_AFTER_MS = 500;

type Bars = ReturnType<typeof showBars>;

/**
 * Shows a run on standard error: bars on a terminal, some lines in a log, and confirmations in any case. `keep` leaves the
 * bars there when the run is over, `trace` shows each step with its time. Nothing is shown after `stop`.
 */
export async function showProgress(
  stream: WriteStream,
  { progress, notices, trace, keep }: { progress: boolean; notices: boolean; trace: boolean; keep: boolean },
): Promise<{ onEvent: OnEvent; stop: () => void }> {
  const terminal = stream.isTTY && process.env.TERM !== 'dumb';
  const load = async (): Promise<Bars> =>
    (await import('./progress-bars.js')).showBars(stream, { terminal, keep });
  const drawn = progress && terminal ? await load() : undefined;
  const bars = progress && !terminal ? later(load) : drawn;
  const write = drawn?.print ?? ((line: string): void => void stream.write(`${line}\n`));
  const print = (line: string): void => {
    write(inOneLine(line));
  };
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

/** Has bars loaded after a while, and told then what they have missed. */
function later(load: () => Promise<Bars>): Pick<Bars, 'step' | 'stop'> {
  const missed: Parameters<Bars['step']>[0][] = [];
  let bars: Bars | undefined;
  let stopped = false;
  const begin = async (): Promise<void> => {
    const loaded = await load();
    missed.forEach(loaded.step);
    bars = loaded;
    if (stopped) bars.stop();
  };
  // Lines in a log are nothing that a run fails for.
  const timer = setTimeout(() => void begin().catch(() => undefined), LOG_AFTER_MS).unref();
  return {
    step(event) {
      if (bars === undefined) missed.push(event);
      else bars.step(event);
    },
    stop() {
      clearTimeout(timer);
      stopped = true;
      bars?.stop();
    },
  };
}

/** Prints each step of a run with the time since it began; batches within a phase are not told apart. */
function traceSteps(print: (line: string) => void): OnEvent {
  const startMs = nowMs();
  const last = new Map<string, string>();
  return (event) => {
    const step = stepOf(event);
    if (step === undefined) return;
    const who = [event.schema, 'fixture' in event ? event.fixture : undefined].filter(Boolean).join('.');
    // Copying and merging take turns, batch after batch.
    if (last.get(who) === step || (step === 'copy' && last.get(who) === 'merge')) return;
    last.set(who, step);
    const seconds = ((nowMs() - startMs) / 1000).toFixed(3);
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
