import { Format, type Options, type Params } from 'cli-progress';

/** From wide to narrow. */
const FORMATS = [
  '{name} {phase} {percentage}% [{bar}] {value}/{total} rows ',
  '{name} {phase} {percentage}% {value}/{total} rows ',
  '{name} {phase} {percentage}% ',
];

/** Room for the ^C that a terminal echoes. */
const ECHO_WIDTH = 3;

/** The widest line that fits, since one that wraps could not be cleared; where no rows are counted, the time alone. */
export function lineOf(options: Options, params: Params, task: { name: string; phase: string }): string {
  const { eta, value, total, stopTime, maxWidth } = params;
  const room = Math.max(0, maxWidth - ECHO_WIDTH);
  // The library's estimate is no number as long as there is none.
  const counting = stopTime === null && value < total && eta > 0;
  const time = counting ? '{eta_formatted} left' : '{duration_formatted}';
  const formats = (total === 0 ? ['{name} {phase} '] : FORMATS).map((format) => format + time);
  const barsize = Math.min(40, Math.max(10, room - 70));
  const lines = [...formats, '{name} {phase} {percentage}%'].map((format) =>
    Format.Formatter({ ...options, barsize, format }, params, task),
  );
  return (lines.find((line) => line.length <= room) ?? lines.at(-1) ?? '').slice(0, room);
}
