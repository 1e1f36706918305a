import { quote } from '../database/quote.js';
import { encoderFor, stagingType } from '../encode/type-encoders.js';
import { columnsOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';

/** A column of the target with the SQL that makes its value out of a staging row. */
export interface ColumnValue {
  column: string;
  sql: string;
}

/**
 * How every column of a fixture follows from a staging row `s`: as sent, repeated from another column, or constant.
 * Merging, comparing and resetting all rest on this one list. `anchor` is SQL for the anchor; the constants' values
 * are appended to `values`.
 */
export function columnValues(fixture: Fixture, anchor: string, values: unknown[]): ColumnValue[] {
  return columnsOf(fixture).map((column) => ({
    column: column.name,
    sql: onAnchor(column, valueSql(column, values), anchor),
  }));
}

function valueSql(column: FixtureColumn, values: unknown[]): string {
  if (column.kind === 'varying') return `s.${quote(column.name)}`;
  if (column.kind === 'derived') {
    return column.wrap === 'array' ? `array[s.${quote(column.from)}]` : `s.${quote(column.from)}`;
  }
  values.push(encoderFor(column.type)(column.value));
  return `$${values.length}::${withoutLength(stagingType(column.type))}`;
}

function onAnchor({ type }: FixtureColumn, sql: string, anchor: string): string {
  return type === 'timestamptz after anchor' ? `${anchor} + ${sql}` : sql;
}

/** A cast to varchar(n) would cut a value that is too long; the assignment to the column refuses it. */
function withoutLength(type: string): string {
  return type.replace(/\([\d, ]+\)/, '');
}
