import { alignColumns } from './align-columns.js';
import type { Report } from './result.js';
import { summarize, type Summary } from './summary.js';

/** A report for a terminal or a log. */
export function renderText(report: Report): string {
  return layOut(summarize(report));
}

function layOut({ title, head, rows, right, remarks, next }: Summary): string {
  const table = rows.length === 0 ? '' : alignColumns([head, ...rows], right);
  const lines = remarks.map((remark) => `${remark}\n`).join('');
  return `${title}\n\n${table}\n${lines}${next === undefined ? '' : `\n${layOut(next)}`}`;
}
