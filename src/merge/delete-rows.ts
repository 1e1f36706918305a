import type { Staging } from '../copy/staging.js';
import { findImpact } from '../table/dependents.js';
import { rowsOf, type TableInfo } from '../table/inspect-table.js';
import type { Session } from '../postgres/session.js';
import { ScaleSeedError } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import type { Dependents } from '../report/result.js';
import { sameIdentity } from './expressions.js';

/** The rows of a staged fixture that stand. */
export interface Doomed {
  session: Session;
  fixture: Fixture;
  table: TableInfo;
  staged: Staging;
}

/** Rows of a fixture, and those of other tables that go or change with them. */
export interface Deletion {
  rows: number;
  dependents: Dependents[];
}

/**
 * What a deletion would do by now.
 *
 * @throws ScaleSeedError `conflict` where rows that stay forbid it.
 */
export async function foreseeDeletion(doomed: Doomed): Promise<Deletion> {
  const { session, fixture, table } = doomed;
  const from = fromSql(doomed);
  const { rows } = await session.query<{ count: string }>(`select count(*) ${from}`);
  const { dependents, blockers } = await findImpact(session, table, from);
  if (blockers.length > 0) refuse(fixture, blockers);
  return { rows: Number(rows[0]?.count), dependents };
}

/**
 * Locks the rows, so that no row comes to refer to them any more, and then says what their deletion will do. A role that
 * may only delete cannot lock them, nor does Citus, and rows of other tables are not locked at all: what comes to refer to
 * any of those in the moment before the deletion goes without being counted.
 */
export async function lockDeletion(doomed: Doomed): Promise<Deletion> {
  const { session, table } = doomed;
  if (table.privileges.update && !table.distributed)
    await session.query(`select count(*) from (select ${fromSql(doomed)} for update of t) as locked`);
  return foreseeDeletion(doomed);
}

/** Deletes the rows; returns what went, which is what was foreseen. */
export async function deleteRows(
  { session, fixture, table, staged }: Doomed,
  { dependents }: Deletion,
): Promise<Deletion> {
  const { rowCount } = await session.query(
    `delete from ${rowsOf(table)} as t using ${staged.table} as s where ${sameIdentity(fixture)}`,
  );
  return { rows: rowCount ?? 0, dependents };
}

/** Whether a deletion does more than another, to any table. */
export function exceeds(more: Deletion, less: Deletion): boolean {
  const allowed = ({ table, effect }: Dependents): number =>
    less.dependents.find((rows) => rows.table === table && rows.effect === effect)?.rows ?? 0;
  return more.rows > less.rows || more.dependents.some((rows) => rows.rows > allowed(rows));
}

function fromSql({ fixture, table, staged }: Doomed): string {
  return `from ${rowsOf(table)} as t join ${staged.table} as s on ${sameIdentity(fixture)}`;
}

function refuse(fixture: Fixture, blockers: readonly { table: string; rows: number }[]): never {
  const list = blockers.map(({ table, rows }) => `${rows} in ${table}`).join(', ');
  throw new ScaleSeedError(
    `fixture ${fixture.name}: rows that stay refer to it and forbid its deletion: ${list}`,
    {
      code: 'conflict',
      phase: 'clean',
      fixture: fixture.name,
      table: fixture.table,
      hint: 'delete those rows first',
    },
  );
}
