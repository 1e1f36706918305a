import type { Report } from '../report/result.js';
import { summarize } from './summarize.js';
import type { Summary } from './summary.js';

/** A report as GitHub's Markdown. */
export function renderMarkdown(report: Report): string {
  return layOut(summarize(report));
}

function layOut({ title, head, rows, right, remarks, next }: Summary): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escape).join(' | ')} |\n`;
  const rule = line(head.map((_, column) => (right.includes(column) ? '---:' : '---')));
  const table = line(head) + rule + rows.map(line).join('');
  const list = remarks.map((remark) => `- ${remark}\n`).join('');
  return `### ${title}\n\n${table}\n${list}${next === undefined ? '' : `\n${layOut(next)}`}`;
}

function escape(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
