import { Format, type Options, type Params } from 'cli-progress';

/** Phases that count rows, and the end of all; in the others rows say nothing of how far it is. */
const COUNTED = ['copy', 'merge', 'done'];

/** The widest line that fits, since one that wraps could not be cleared. */
export function lineOf(options: Options, params: Params, task: { name: string; phase: string }): string {
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
