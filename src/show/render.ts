import type { Report } from '../report/result.js';
import { alignColumns } from './align-columns.js';
import { summarize } from './summarize.js';
import { TEXT_COLUMNS, type Summary } from './summary.js';

/** Columns of a table that a narrow terminal has to do without, the first to go first; the JSON report has them. */
const DISPENSABLE = ['fingerprint', 'table'];

/** A report for a log, or for a terminal that is `columns` wide. */
export function renderText(report: Report, columns = Infinity): string {
  return textOf(summarize(report), columns);
}

/** A report as GitHub's Markdown. */
export function renderMarkdown(report: Report): string {
  return markdownOf(summarize(report));
}

function textOf({ title, table, remarks, next }: Summary, columns: number): string {
  const shown = table.length === 1 ? '' : fit(table, columns, DISPENSABLE);
  const lines = remarks.map((remark) => `${remark}\n`).join('');
  return `${title}\n\n${shown}\n${lines}${next === undefined ? '' : `\n${textOf(next, columns)}`}`;
}

/** The table without as many dispensable columns as make it fit. */
function fit(table: readonly string[][], columns: number, [next, ...others]: readonly string[]): string {
  const head = table[0] ?? [];
  const numbers = [...head.keys()].filter((column) => !TEXT_COLUMNS.includes(head[column]!));
  const text = alignColumns(table, numbers);
  const fits = text.split('\n').every(({ length }) => length <= columns);
  if (fits || next === undefined) return text;
  const kept = table.map((cells) => cells.filter((_, column) => head[column] !== next));
  return fit(kept, columns, others);
}

function markdownOf({ title, table: [head = [], ...rows], remarks, next }: Summary): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |\n`;
  const rule = line(head.map((name) => (TEXT_COLUMNS.includes(name) ? '---' : '---:')));
  const list = remarks.map((remark) => `- ${escapeMarkdown(remark)}\n`).join('');
  const more = next === undefined ? '' : `\n${markdownOf(next)}`;
  return `### ${escapeMarkdown(title)}\n\n${line(head)}${rule}${rows.map(line).join('')}\n${list}${more}`;
}

/** A value is no tag, no entity and no end of a cell. */
function escapeMarkdown(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replace(/[\\|]/g, '\\$&');
}
