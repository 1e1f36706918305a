import { quoteList, quoteTable, type TableName } from '../database/quote.js';
import type { Session } from '../database/session.js';
import type { Fixture } from '../fixtures/fixture.js';
import type { Staged } from '../copy/staging.js';
import { valuesOnAnchor } from './expressions.js';

/**
 * Merges a staging table into the target and returns how many rows were inserted. No conflict target is named, since
 * either unique key may clash.
 */
export async function mergeStaging(
  session: Session,
  fixture: Fixture,
  table: TableName,
  { table: staging }: Staged,
  anchor: string,
): Promise<number> {
  const values: unknown[] = [];
  const columns = valuesOnAnchor(fixture, anchor, values);
  const { rowCount } = await session.query(
    `insert into ${quoteTable(table)} (${quoteList(columns.map(({ column }) => column))})
     select ${columns.map(({ sql }) => sql).join(', ')} from ${staging} as s
     on conflict do nothing`,
    values,
  );
  return rowCount ?? 0;
}
