import { ANCHORED, columnsOf, identityOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import { quote } from '../postgres/quote.js';
import { isSharded } from '../table/citus.js';
import { castTo, isExact, type TableInfo } from '../table/inspect-table.js';
import { columnValue } from './expressions.js';

/** What fills a unique key of a table. */
export type UniqueKey = readonly FixtureColumn[];

/**
 * The table's unique keys, besides the one that identifies a row, that another row may hold: of columns whose values are
 * known before the merge. On several shards every unique key holds the row's own.
 */
export function otherKeys(fixture: Fixture, table: TableInfo): UniqueKey[] {
  const columns = columnsOf(fixture).filter(({ type }) => type !== ANCHORED);
  const identity = identityOf(fixture);
  // A row whose key is equal and not the same is another.
  const isIdentity = (key: readonly string[]): boolean =>
    key.length === identity.length && key.every((name) => identity.includes(name) && isExact(table, name));
  return (isSharded(table) ? [] : table.uniqueKeys).flatMap((key) => {
    const filled = columns.filter(({ name }) => key.includes(name));
    return isIdentity(key) || filled.length < key.length ? [] : [filled];
  });
}

/** A condition that holds where the row `alias` of the table has what a staging row `s` is to have in a key. */
export function sameKey(table: TableInfo, key: UniqueKey, alias: string, values?: unknown[]): string {
  return key
    .map((column) => `${alias}.${quote(column.name)} = ${valueIn(table, column, values)}`)
    .join(' and ');
}

/** What a staging row `s` is to have in a column. */
export function valueIn(table: TableInfo, column: FixtureColumn, values?: unknown[]): string {
  return castTo(table, column.name, columnValue(column, values).sql);
}

/** Who is in a row's way, by the row that holds each of the keys; undefined where none does. */
export function holderOf(
  keys: readonly UniqueKey[],
  holders: readonly (string | null)[],
): string | undefined {
  const at = holders.findIndex((holder) => holder !== null);
  if (at === -1) return undefined;
  return `row ${holders[at]!}, which has the same ${keys[at]!.map(({ name }) => name).join(', ')}`;
}
