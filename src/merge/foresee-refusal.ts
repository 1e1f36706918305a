import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { identityOf } from '../fixtures/fixture.js';
import type { OnTable } from '../run/step.js';
import { rowsOf } from '../table/inspect-table.js';

/** Has the server refuse a change of a step's table; Citus asks its workers. */
export async function foreseeRefusal(
  { session, fixture, table }: OnTable,
  change: 'delete' | 'update',
): Promise<void> {
  if (table.distributed) return;
  const key = quote(identityOf(fixture)[0]!);
  const statement =
    change === 'delete' ? `delete from ${rowsOf(table)}` : `update ${rowsOf(table)} set ${key} = ${key}`;
  await tryOnNoRow(session, statement);
}

/**
 * Has the server refuse what it would refuse of any row, as where a publication deletes from a table that has no replica
 * identity: EXPLAIN opens the table as for the change, and does nothing.
 */
export async function tryOnNoRow(session: Session, statement: string): Promise<void> {
  await session.query(`explain ${statement} where false`);
}
