import { put, quote } from '../postgres/quote.js';
import { castTo, exactly, isExact, type TableInfo } from '../table/inspect-table.js';
import { encoderFor, stagingType } from '../fixtures/column-types.js';
import { ANCHORED, columnsOf, identityOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';

/** A column of the target with the SQL that makes its value out of a staging row `s`. */
export interface ColumnValue {
  column: string;
  /** The value, or for a time after the anchor the interval between the two. */
  sql: string;
  anchored: boolean;
}

/**
 * How every column of a fixture follows from a staging row; merging, comparing and resetting all rest on this one list.
 * Constants are appended to `values`, or stand in the SQL itself where there are none.
 */
export function columnValues(fixture: Fixture, values?: unknown[]): ColumnValue[] {
  return columnsOf(fixture).map((column) => columnValue(column, values));
}

/** The same for one column; `sent` gives what is sent as SQL, where that is not in a staging row. */
export function columnValue(column: FixtureColumn, values?: unknown[], sent = ofStaged): ColumnValue {
  const { name, type } = column;
  const value = { column: name, anchored: type === ANCHORED };
  if (column.kind === 'varying') return { ...value, sql: sent(name) };
  if (column.kind === 'constant') {
    const constant = put(encoderFor(type)(column.value), values);
    return { ...value, sql: `${constant}::${withoutLength(stagingType(type))}` };
  }
  const from = sent(column.from);
  return { ...value, sql: column.wrap === 'array' ? `array[${from}]::${withoutLength(type)}` : from };
}

const ofStaged = (column: string): string => `s.${quote(column)}`;

/** What every column is given out of a staging row when the anchor is known, which is a constant like others. */
export function valuesOnAnchor(
  fixture: Fixture,
  table: TableInfo,
  anchor: string,
  values?: unknown[],
): { column: string; sql: string }[] {
  const columns = columnValues(fixture, values);
  const parameter = columns.some(({ anchored }) => anchored) ? `${put(anchor, values)}::timestamptz` : '';
  return columns.map((value) => ({
    column: value.column,
    sql: value.anchored ? valueOn(parameter, value) : castTo(table, value.column, value.sql),
  }));
}

/** A column's value once the anchor is known, itself as SQL. */
export function valueOn(anchor: string, { sql, anchored }: ColumnValue): string {
  return anchored ? `${anchor} + ${sql}` : sql;
}

/** A join condition between target rows `t` and staging rows `s` on the key that identifies a row. */
export function sameIdentity(fixture: Fixture, table: TableInfo): string {
  return identityOf(fixture)
    .map((column) => {
      const [own, sent] = [`t.${quote(column)}`, `s.${quote(column)}`];
      // The first is what an index has.
      const more = isExact(table, column) ? '' : ` and ${exactly(own)} = ${exactly(sent)}`;
      return `${own} = ${sent}${more}`;
    })
    .join(' and ');
}

/** The key that identifies a row, as text that a message can show. */
export function keyText(fixture: Fixture, alias: string): string {
  return `concat_ws('/', ${identityOf(fixture)
    .map((column) => `${alias}.${quote(column)}::text`)
    .join(', ')})`;
}

/**
 * A type without its length: a cast to varchar(n) would cut a value that is too long; the assignment to the column
 * refuses it. To SQL char and bit alone are char(1) and bit(1).
 */
function withoutLength(type: string): string {
  return type
    .replace(/\([\d, ]+\)/, '')
    .replace(/^(char|character)(?=$|\[)/i, 'bpchar')
    .replace(/^bit(?=$|\[)/i, 'varbit');
}
