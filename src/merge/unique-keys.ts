import { ANCHORED, columnsOf, identityOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import { quote } from '../postgres/quote.js';
import { isSharded } from '../table/citus.js';
import { castTo, columnOf, isExact, type TableInfo } from '../table/inspect-table.js';
import { columnValue } from './expressions.js';
import { restColumns } from './rest-columns.js';

/** A column of the fixture, or one that it leaves to a default that is the same for all rows. */
type KeyColumn = FixtureColumn | { name: string; kind: 'default'; sql: string };

/** Whether it is the same for all rows. */
export function isFixed({ kind }: KeyColumn): boolean {
  return kind === 'constant' || kind === 'default';
}

/** What fills a unique key of a table, and whether two rows have the same that have NULL in it. */
export interface UniqueKey {
  columns: readonly KeyColumn[];
  nullsNotDistinct: boolean;
}

/**
 * The table's unique keys that another row than the fixture's may hold: of columns whose values are known before the merge. On
 * several shards every unique key holds the row's own.
 */
export function otherKeys(fixture: Fixture, table: TableInfo): UniqueKey[] {
  return keysOfOthers(fixture, table).flatMap(({ key }) => key ?? []);
}

/** The indexes of those that are of other columns. */
export function untoldKeys(fixture: Fixture, table: TableInfo): string[] {
  return keysOfOthers(fixture, table).flatMap(({ index, key }) => (key === undefined ? index : []));
}

function keysOfOthers(fixture: Fixture, table: TableInfo): { index: string; key: UniqueKey | undefined }[] {
  const known: KeyColumn[] = [
    ...columnsOf(fixture).filter(({ type }) => type !== ANCHORED),
    ...restColumns(fixture, table).fixed.map(({ column, sql }) => ({
      name: column,
      kind: 'default' as const,
      sql,
    })),
  ];
  const identity = identityOf(fixture);
  // A row whose key is equal and not the same is another.
  const holdsIdentity = (names: readonly string[]): boolean =>
    identity.every((name) => names.includes(name) && isExact(table, name));
  return (isSharded(table) ? [] : table.uniqueKeys).flatMap(({ index, columns: names, nullsNotDistinct }) => {
    const columns = known.filter(({ name }) => names.includes(name));
    const isNull = columns.some((column) => column.kind === 'default' && /^null\b/i.test(column.sql));
    if (holdsIdentity(names) || (isNull && !nullsNotDistinct)) return [];
    return [{ index, key: columns.length < names.length ? undefined : { columns, nullsNotDistinct } }];
  });
}

/** A condition that holds where the row `alias` of the table has what a staging row `s` is to have in a key. */
export function sameKey(table: TableInfo, key: UniqueKey, alias: string, values?: unknown[]): string {
  return key.columns
    .map((column) => {
      // By an equation rows are found in an index.
      const isSame =
        key.nullsNotDistinct && !columnOf(table, column.name).notNull ? 'is not distinct from' : '=';
      return `${alias}.${quote(column.name)} ${isSame} ${valueIn(table, column, values)}`;
    })
    .join(' and ');
}

/** What a staging row `s` is to have in a column. */
export function valueIn(table: TableInfo, column: KeyColumn, values?: unknown[]): string {
  return castTo(table, column.name, column.kind === 'default' ? column.sql : columnValue(column, values).sql);
}

/** Who is in a row's way, by the row that holds each of the keys; undefined where none does. */
export function holderOf(
  keys: readonly UniqueKey[],
  holders: readonly (string | null)[],
): string | undefined {
  const at = holders.findIndex((holder) => holder !== null);
  if (at === -1) return undefined;
  return `row ${holders[at]!}, which has the same ${keys[at]!.columns.map(({ name }) => name).join(', ')}`;
}
