import type { Staging } from '../copy/staging.js';
import type { TableInfo } from '../database/inspect-table.js';
import { quote, quoteTable } from '../database/quote.js';
import type { Session } from '../database/session.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { sameIdentity, valuesOnAnchor } from './expressions.js';
import { restColumns } from './rest-columns.js';

/**
 * Gives every standing row of a staged fixture the fixture's values again, and the columns that the fixture leaves
 * alone their defaults. Returns the number of rows.
 */
export async function restoreRows(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  { table: staging }: Staging,
  anchor: string,
): Promise<number> {
  const values: unknown[] = [];
  const identity = identityOf(fixture);
  const assignments = [
    ...valuesOnAnchor(fixture, anchor, values)
      .filter(({ column }) => !identity.includes(column))
      .map(({ column, sql }) => `${quote(column)} = ${sql}`),
    ...restColumns(fixture, table).fixed.map(({ column }) => `${quote(column)} = default`),
  ];
  // A row that is nothing but its key is as it was, and is counted all the same.
  if (assignments.length === 0)
    assignments.push(...identity.map((column) => `${quote(column)} = t.${quote(column)}`));
  const { rowCount } = await session.query(
    `update ${quoteTable(table)} as t set ${assignments.join(', ')}
     from ${staging} as s where ${sameIdentity(fixture)}`,
    values,
  );
  return rowCount ?? 0;
}
