import { leftMsOf, rowsOf, speedOf, type Task } from './follow-run.js';
import { formatClock, formatCount, formatMs } from '../report/units.js';

const MAX_NAME = 40;
const PHASE_WIDTH = 'measure'.length;
const SPEED_WIDTH = '999,999 rows/s'.length;
const TIME_WIDTH = '59:59 left'.length;
/** Room for the ^C that a terminal echoes: it must not wrap either, or the bars could not be cleared. */
const ECHO_WIDTH = 2;
const MIN_BAR = 8;
const MAX_BAR = 40;

type Cell = 'name' | 'phase' | 'bar' | 'percent' | 'rows' | 'speed' | 'time';

/** From wide to narrow: the first that fits is taken. */
const LAYOUTS: readonly (readonly Cell[])[] = [
  ['name', 'phase', 'bar', 'percent', 'rows', 'speed', 'time'],
  ['name', 'phase', 'bar', 'percent', 'speed', 'time'],
  ['name', 'phase', 'percent', 'speed', 'time'],
  ['name', 'phase', 'percent', 'time'],
  ['name', 'percent'],
];

/** Width of the column of names. */
export function nameWidthOf(tasks: readonly Task[]): number {
  return Math.min(MAX_NAME, Math.max(0, ...tasks.map(({ name }) => name.length)));
}

/** One line that says how far a task is: shorter than the terminal is wide, so that it never wraps. */
export function progressLine(
  task: Task,
  { columns, nameWidth, nowMs }: { columns: number; nameWidth: number; nowMs: number },
): string {
  const room = columns - ECHO_WIDTH - 1;
  const widths = widthsOf(task, nameWidth);
  const taken = (layout: readonly Cell[]): number =>
    layout.reduce((sum, cell) => sum + widths[cell], 2 * (layout.length - 1));
  const layout = LAYOUTS.find((cells) => taken(cells) <= room) ?? ['name'];
  const bar = Math.min(MAX_BAR, MIN_BAR + room - taken(layout));
  const cells = layout.map((cell) => textOf(cell, task, nowMs, { ...widths, bar: bar + 2 }));
  return cells.join('  ').slice(0, Math.max(0, room)).trimEnd();
}

function widthsOf({ totalRows }: Task, nameWidth: number): Record<Cell, number> {
  return {
    name: nameWidth,
    phase: PHASE_WIDTH,
    bar: MIN_BAR + 2,
    percent: '100%'.length,
    rows: 2 * formatCount(totalRows).length + '/ rows'.length,
    speed: SPEED_WIDTH,
    time: TIME_WIDTH,
  };
}

function textOf(cell: Cell, task: Task, nowMs: number, widths: Record<Cell, number>): string {
  const rows = rowsOf(task);
  // A fixture of the user's own may yield more than it declared: that is about to be an error.
  const share = rows === undefined || task.totalRows === 0 ? undefined : Math.min(1, rows / task.totalRows);
  const right = (text: string): string => text.padStart(widths[cell]);
  switch (cell) {
    case 'name':
      return task.name.length > widths.name
        ? `${task.name.slice(0, widths.name - 1)}…`
        : task.name.padEnd(widths.name);
    case 'phase':
      return task.phase.padEnd(widths.phase);
    case 'bar':
      return barOf(share, widths.bar - 2);
    case 'percent':
      return right(share === undefined ? '' : `${Math.floor(100 * share)}%`);
    case 'rows':
      return right(rows === undefined ? '' : `${formatCount(rows)}/${formatCount(task.totalRows)} rows`);
    case 'speed':
      return right(speedText(task));
    case 'time':
      return right(timeText(task, nowMs));
  }
}

/** Filled as far as rows are counted; where none are, empty. */
function barOf(share: number | undefined, width: number): string {
  const filled = Math.floor((share ?? 0) * width);
  return `[${'='.repeat(filled)}${(share === undefined ? ' ' : '-').repeat(width - filled)}]`;
}

/** The task's speed, if there is one yet. */
export function speedText(task: Task): string {
  const speed = speedOf(task);
  return speed === undefined ? '' : `${formatCount(Math.round(speed))} rows/s`;
}

/** The time that is left; once done, the time that it took; in a phase that counts no rows, the time so far. */
export function timeText(task: Task, nowMs: number): string {
  if (task.phase === 'done') return formatMs(task.enteredMs - task.startMs);
  if (rowsOf(task) === undefined) return `for ${formatClock(nowMs - task.enteredMs)}`;
  const leftMs = leftMsOf(task, nowMs);
  return leftMs === undefined ? '' : `${formatClock(leftMs)} left`;
}
