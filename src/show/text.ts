import { alignColumns } from './align-columns.js';
import type { Report } from '../report/result.js';
import { summarize } from './summarize.js';
import type { Summary } from './summary.js';

/** Columns of a table that a narrow terminal has to do without, the first to go first; the JSON report has them. */
const DISPENSABLE = ['fingerprint', 'table'];

/** A report for a log, or for a terminal that is `columns` wide. */
export function renderText(report: Report, columns = Infinity): string {
  return layOut(summarize(report), columns);
}

function layOut({ title, head, rows, right, remarks, next }: Summary, columns: number): string {
  const table = rows.length === 0 ? '' : fit([head, ...rows], right, columns, DISPENSABLE);
  const lines = remarks.map((remark) => `${remark}\n`).join('');
  return `${title}\n\n${table}\n${lines}${next === undefined ? '' : `\n${layOut(next, columns)}`}`;
}

/** The table without as many dispensable columns as make it fit. */
function fit(
  lines: readonly (readonly string[])[],
  right: readonly number[],
  columns: number,
  [next, ...others]: readonly string[],
): string {
  const table = alignColumns(lines, right);
  const fits = table.split('\n').every(({ length }) => length <= columns);
  if (fits || next === undefined) return table;
  const at = lines[0]?.indexOf(next) ?? -1;
  const without = at < 0 ? lines : lines.map((cells) => cells.toSpliced(at, 1));
  const shifted = at < 0 ? right : right.map((column) => (column > at ? column - 1 : column));
  return fit(without, shifted, columns, others);
}
