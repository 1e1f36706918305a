import type { TableInfo } from '../table/inspect-table.js';
import { columnsOf, type Fixture } from '../fixtures/fixture.js';

/** Columns of the table that the fixture leaves to their defaults. */
export interface RestColumns {
  /** Those whose default is a plain value (or NULL), with that default as SQL. */
  fixed: { column: string; sql: string }[];
  /** Those whose default is computed anew for every row. */
  computed: string[];
}

/** What a column default looks like that has the same value in every row: a literal, with or without casts. */
const TYPE = /(?:"(?:[^"]|"")*"|[a-z_][\w ]*)(?:\.(?:"(?:[^"]|"")*"|[a-z_]\w*))?/.source;
const LITERAL = new RegExp(
  String.raw`^\(?('(?:[^']|'')*'|-?[\d.]+|true|false|NULL|ARRAY\[\])\)?(::${TYPE}(\([\d, ]+\))?(\[\])*)*$`,
  'i',
);

/** Sorts the columns that a fixture does not fill by whether their value is known beforehand. */
export function restColumns(fixture: Fixture, table: TableInfo): RestColumns {
  const filled = new Set(columnsOf(fixture).map(({ name }) => name));
  const rest = table.columns.filter((column) => !filled.has(column.name));
  const known = rest.filter(
    (column) => !column.generated && !column.identity && LITERAL.test(column.default ?? 'NULL'),
  );
  return {
    fixed: known.map(({ name, default: text }) => ({ column: name, sql: text ?? 'NULL' })),
    computed: rest.filter((column) => !known.includes(column)).map(({ name }) => name),
  };
}
