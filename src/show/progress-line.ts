import { Format, type Options, type Params } from 'cli-progress';

/** From wide to narrow. */
const FORMATS = [
  '{name} {phase} {percentage}% [{bar}] {value}/{total} rows ',
  '{name} {phase} {percentage}% {value}/{total} rows ',
  '{name} {phase} {percentage}% ',
];

/** Phases that count rows, and the end of all; in the others rows say nothing of how far it is. */
const COUNTED = ['copy', 'merge', 'done'];

/** Room for the ^C that a terminal echoes. */
const ECHO_WIDTH = 3;

/** The widest line that fits, since one that wraps could not be cleared. */
export function lineOf(options: Options, params: Params, task: { name: string; phase: string }): string {
  const { eta, value, total, stopTime, maxWidth } = params;
  const room = Math.max(0, maxWidth - ECHO_WIDTH);
  // The library's estimate is no number as long as there is none.
  const counting = stopTime === null && value < total && eta > 0;
  const time = counting ? '{eta_formatted} left' : '{duration_formatted}';
  const formats = COUNTED.includes(task.phase)
    ? [...FORMATS.map((format) => format + time), '{name} {phase} {percentage}%']
    : [`{name} {phase} ${time}`];
  const barsize = Math.min(40, Math.max(10, room - 70));
  const payload = { ...task, phase: task.phase.padEnd('verify'.length) };
  const lines = formats.map((format) => Format.Formatter({ ...options, barsize, format }, params, payload));
  return (lines.find((line) => line.length <= room) ?? lines.at(-1) ?? '').slice(0, room);
}
