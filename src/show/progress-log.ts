import { followRun, rowsOf, type Task } from './follow-run.js';
import type { Display } from './progress.js';
import { speedText, timeText } from './progress-line.js';
import { formatCount } from '../report/units.js';

/** A log gets one line of progress in this time. */
const INTERVAL_MS = 5000;

/** Tasks that a line tells of; the others are only counted. */
const MAX_TOLD = 4;

/** A line every few seconds that says how far the tasks at work are. */
export function logProgress(print: (line: string) => void): Display {
  const now = (): number => performance.now();
  const run = followRun(now);
  const tell = (): void => {
    const line = logLine(run.tasks(), now());
    if (line !== undefined) print(line);
  };
  // A timer, not the events, so that a statement that takes minutes is told of too.
  const timer = setInterval(tell, INTERVAL_MS).unref();
  return {
    step: (event) => void run.step(event),
    end: run.end,
    print,
    stop: () => {
      clearInterval(timer);
    },
  };
}

/** How far the tasks at work are; undefined where none is. */
export function logLine(tasks: readonly Task[], nowMs: number): string | undefined {
  const working = tasks.filter(({ phase }) => phase !== 'done');
  if (working.length === 0) return undefined;
  const told = working.slice(0, MAX_TOLD).map((task) => describe(task, nowMs));
  const more = working.length - told.length;
  return told.join('; ') + (more === 0 ? '' : `; ${more} more`);
}

function describe(task: Task, nowMs: number): string {
  const rows = rowsOf(task);
  const share = rows === undefined ? '' : ` ${Math.floor((100 * rows) / task.totalRows)}%`;
  const counted = rows === undefined ? '' : `${formatCount(rows)} of ${formatCount(task.totalRows)} rows`;
  const facts = [counted, speedText(task), timeText(task, nowMs)].filter((fact) => fact !== '');
  return [`${task.name}: ${task.phase}${share}`, ...facts].join(', ');
}
