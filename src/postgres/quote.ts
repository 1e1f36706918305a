import pg from 'pg';
import type { TableName } from '../report/table-name.js';

/** Identifiers as SQL: each quoted, joined by dots. The only way in which a name gets into a statement. */
export function quote(...identifiers: readonly string[]): string {
  return identifiers.map((identifier) => pg.escapeIdentifier(identifier)).join('.');
}

/** A text as SQL, where a statement has no room for a parameter. */
export function literal(text: string): string {
  return pg.escapeLiteral(text);
}

/** A value as SQL: a parameter, which is appended to `values`, or where a statement has no room for any the text itself. */
export function put(value: string | null, values: unknown[] | undefined): string {
  if (values !== undefined) return `$${values.push(value)}`;
  return value === null ? 'null' : literal(value);
}

/** A table as SQL. */
export function quoteTable({ schema, name }: TableName): string {
  return quote(schema, name);
}

/** A list of columns as SQL. */
export function quoteList(columns: readonly string[]): string {
  return columns.map((column) => quote(column)).join(', ');
}
