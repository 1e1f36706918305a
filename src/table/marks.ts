import type { Mark } from '../fixtures/fixture.js';
import { put, quote } from '../postgres/quote.js';

/** A text as LIKE matches it and nothing else. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

/** A condition that holds for the rows of a mark; its values are appended to `values`, where there are such. */
export function markCondition({ column, prefix, digits }: Mark, values?: unknown[]): string {
  // Byte by byte, since a collation of the column's own may take other characters for these, or know no patterns. Not
  // starts_with(): at 100,000 rows that takes 16 ms where LIKE takes 8.
  const text = `${quote(column)}::text collate "C"`;
  const startsWith = `${text} like ${put(`${escapeLike(prefix)}%`, values)}`;
  if (digits === undefined) return startsWith;
  // The server's own encoding says how long the prefix is. A regular expression takes two and a half times as long.
  const length = `length(${put(prefix, values)}::text)`;
  const rest = `substr(${text}, ${length} + 1)`;
  return `(length(${text}) = ${length} + ${digits} and ${startsWith} and translate(${rest}, '0123456789', '') = '')`;
}
