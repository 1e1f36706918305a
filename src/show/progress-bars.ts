import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { Format, MultiBar, type Options, type Params, type SingleBar } from 'cli-progress';
import type { RunEvent } from '../report/events.js';
import { formatClock, formatCount, inOneLine } from '../report/units.js';

/** What a bar is for: a fixture, or what follows the fixtures and counts no rows. */
interface Task {
  name: string;
  schema: string | undefined;
  phase: string;
}

/** Phases that count rows, and the end of all; in the others rows say nothing of how far it is. */
const COUNTED = ['copy', 'merge', 'done'];

/** Bars that a log gets at a time. */
const MAX_IN_LOG = 4;

/**
 * A bar for each task: redrawn on a terminal, written every five seconds to a log. One that is done leaves its bar to the
 * next step of its fixture, or to any where schemas are many or lines few. `keep` leaves the last picture on the terminal.
 */
export function showBars(stream: WriteStream, { terminal, keep }: { terminal: boolean; keep: boolean }) {
  const bars = new Map<SingleBar, Task>();
  // No terminal to the library, even where the stream is a dumb one.
  const plain = Object.assign(new Writable(), { write: (text: string) => stream.write(text) });
  const multi = new MultiBar({
    stream: terminal ? stream : plain,
    format(options, params, { name, phase }: Task) {
      const widest = Math.max(...[...bars.values()].map((task) => task.name.length));
      const width = Math.min(widest, Math.max(8, params.maxWidth - 16));
      return lineOf(options, params, { name: name.slice(0, width).padEnd(width), phase });
    },
    formatTime: (seconds) => formatClock(1000 * seconds),
    formatValue: (value) => formatCount(value).padStart(3),
    hideCursor: true,
    clearOnComplete: !terminal || !keep,
    emptyOnZero: true,
    forceRedraw: true,
    linewrap: true, // the terminal's own stays on, for notices
    noTTYOutput: true,
    notTTYSchedule: 5000,
  });

  /** A bar for a task, whose phase it keeps from then on; none where there is no room. */
  function begin(task: Task, totalRows: number): SingleBar | undefined {
    const full = bars.size >= (terminal ? Math.max(1, (stream.rows || 24) - 2) : MAX_IN_LOG);
    const anyone = full || task.schema !== undefined;
    const done = [...bars].find(([bar, { name }]) => !bar.isActive && (anyone || name === task.name))?.[0];
    if (full && done === undefined) return undefined;
    const bar = done ?? multi.create(totalRows, 0, task);
    bar.start(totalRows, 0, task);
    bars.set(bar, task);
    return bar;
  }

  function step(event: Exclude<RunEvent, { type: 'notice' | 'confirmation' | 'stage' }>): void {
    const { type, schema } = event;
    const own = 'fixture' in event ? event.fixture : type;
    const name = inOneLine(schema === undefined ? own : `${schema}.${own}`);
    const working = [...bars].filter(([bar, task]) => bar.isActive && task.schema === schema);
    // What counts no rows has no event for its end.
    for (const [bar, task] of working)
      if (type === 'end' || (bar.getTotal() === 0 && task.name !== name)) bar.stop();
    const known = working.find(([, task]) => task.name === name)?.[0];
    if (type === 'end') return;
    if (type === 'done') {
      known?.update(known.getTotal(), { phase: type });
      return known?.stop();
    }
    const phase =
      type === 'settle' ? inOneLine(event.table) : type === 'measure' ? `round ${event.round}` : event.phase;
    const bar = known ?? begin({ name, schema, phase }, 'totalRows' in event ? event.totalRows : 0);
    // Copy and merge take turns, batch after batch: from the first merge on, what counts is the rows that stand.
    if (bar === undefined || (phase === 'copy' && !['prepare', phase].includes(bars.get(bar)!.phase))) return;
    if (type === 'progress') bar.update(event.rows, { phase });
    // A fixture that is tried again begins anew.
    else if (phase === 'prepare') bar.update(0, { phase });
    else bar.update({ phase });
  }

  function stop(): void {
    process.off('exit', stop);
    if (multi.isActive) multi.stop();
  }

  /** On a terminal. */
  function print(line: string): void {
    if (!multi.isActive) return void stream.write(`${line}\n`);
    multi.log(`\x1b[J${line}\n`);
    multi.update();
  }

  // However the process ends, the cursor comes back.
  process.once('exit', stop);
  return { step, print, stop };
}

/** The widest line that fits, since one that wraps could not be cleared. */
function lineOf(options: Options, params: Params, task: Pick<Task, 'name' | 'phase'>): string {
  const room = Math.max(0, params.maxWidth - 3); // the ^C that a terminal echoes must not wrap either
  const barsize = Math.min(40, Math.max(10, room - 70));
  const payload = { ...task, phase: task.phase.padEnd('verify'.length) };
  const lines = formatsOf(params, COUNTED.includes(task.phase)).map((format) =>
    Format.Formatter({ ...options, barsize, format }, params, payload),
  );
  return (lines.find((line) => line.length <= room) ?? lines.at(-1) ?? '').slice(0, room);
}

/** From wide to narrow. The library's estimate is no number as long as there is none. */
function formatsOf({ eta, value, total, stopTime }: Params, counted: boolean): string[] {
  const time =
    stopTime === null && value < total && eta > 0 ? '{eta_formatted} left' : '{duration_formatted}';
  if (!counted) return ['{name} {phase} {duration_formatted}'];
  const share = '{name} {phase} {percentage}%';
  const rows = `{value}/{total} rows ${time}`;
  return [`${share} [{bar}] ${rows}`, `${share} ${rows}`, `${share} ${time}`, share];
}
