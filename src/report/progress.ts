import type { WriteStream } from 'node:tty';
import type { SingleBar } from 'cli-progress';
import type { OnEvent, RunEvent } from '../events.js';
import { formatCount } from './units.js';

export interface Progress {
  onEvent: OnEvent;
  /** Takes the bars off the terminal; nothing is shown afterwards. */
  stop: () => void;
}

/** A log gets at most one line of progress a fixture in this time. */
const LOG_INTERVAL_MS = 3000;

/** Shows a run on standard error: bars on a terminal, now and then a line in a log. Confirmations are always shown. */
export async function showProgress(
  stream: WriteStream,
  { progress, notices }: { progress: boolean; notices: boolean },
): Promise<Progress> {
  const terminal = stream.isTTY && process.env.TERM !== 'dumb';
  const print = (line: string): void => void stream.write(`${line}\n`);
  const shown = !progress ? silent : terminal ? await bars(stream) : lines(print);
  return {
    onEvent(event) {
      if (event.type === 'confirmation') shown.print(event.line, print);
      else if (event.type === 'notice') {
        if (notices) shown.print(event.message, print);
      } else shown.step(event);
    },
    stop: shown.stop,
  };
}

type StepEvent = Exclude<RunEvent, { type: 'notice' | 'confirmation' }>;

interface Display {
  step: (event: StepEvent) => void;
  print: (line: string, print: (line: string) => void) => void;
  stop: () => void;
}

const silent: Display = {
  step: () => undefined,
  print: (line, print) => {
    print(line);
  },
  stop: () => undefined,
};

async function bars(stream: WriteStream): Promise<Display> {
  const { MultiBar } = await import('cli-progress');
  const multi = new MultiBar({
    stream,
    format:
      '{fixture}  {phase}  {bar}  {percentage}%  {value}/{total} rows  {rate} rows/s  {duration_formatted}',
    formatValue: (value, _options, type) =>
      type === 'value' || type === 'total' ? formatCount(value) : String(value),
    barsize: 20,
    barCompleteChar: '=',
    barIncompleteChar: '-',
    hideCursor: true,
    clearOnComplete: true,
    forceRedraw: true,
    linewrap: false,
    gracefulExit: false,
  });
  const running = new Map<string, { bar: SingleBar; startMs: number }>();
  return {
    step(event) {
      const known = running.get(event.fixture);
      if (event.type === 'phase') {
        const payload = { fixture: event.fixture, phase: event.phase, rate: '-' };
        if (known === undefined) {
          const bar = multi.create(event.totalRows, 0, payload);
          running.set(event.fixture, { bar, startMs: performance.now() });
        } else known.bar.update(payload);
      } else if (event.type === 'progress' && known !== undefined) {
        const seconds = (performance.now() - known.startMs) / 1000;
        known.bar.update(event.rows, { rate: formatCount(Math.round(event.rows / seconds)) });
      } else known?.bar.update({ phase: 'done' });
    },
    print(line) {
      multi.log(`${line}\n`);
      multi.update();
    },
    stop: () => {
      multi.stop();
    },
  };
}

function lines(print: (line: string) => void): Display {
  const lastMs = new Map<string, number>();
  return {
    step(event) {
      if (event.type !== 'progress') return;
      const nowMs = performance.now();
      const before = lastMs.get(event.fixture);
      if (before === undefined) lastMs.set(event.fixture, nowMs);
      else if (nowMs - before >= LOG_INTERVAL_MS) {
        lastMs.set(event.fixture, nowMs);
        const share = Math.floor((100 * event.rows) / event.totalRows);
        print(`${event.fixture}: ${event.phase} ${share} %, ${formatCount(event.rows)} rows`);
      }
    },
    print: silent.print,
    stop: silent.stop,
  };
}
