import { quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { TableInfo } from './inspect-table.js';

/**
 * Marks the tables whose rows Citus keeps on its workers: those of a distributed schema, and any other that it manages.
 * With schema-based sharding every table of such a schema stands in pg_dist_partition, as one shard on one worker.
 */
export async function markDistributed(session: Session, tables: Iterable<TableInfo>): Promise<void> {
  const all = [...tables];
  const { rows } = await session.query<{ oid: string }>(
    `select logicalrelid::oid::int8 as oid from pg_catalog.pg_dist_partition
     where logicalrelid::oid::int8 = any($1::int8[])`,
    [all.map(({ oid }) => oid)],
  );
  const managed = new Set(rows.map(({ oid }) => Number(oid)));
  for (const table of all) table.distributed = managed.has(table.oid);
}

/**
 * To be put after a select's list, so that it is run where the table's rows are kept: an advisory lock of that server's is
 * the same for whoever comes through another. Nothing for a table of the server's own.
 */
export function whereKept(table: Pick<TableInfo, 'schema' | 'name' | 'distributed'>): string {
  if (!table.distributed) return '';
  return ` from (select count(*) from (select from ${quoteTable(table)} limit 1) as kept) as kept`;
}

/** An INSERT ... SELECT with the number of rows that it `inserted`: Citus answers with that of the rows it was sent. */
export function countInserted(insert: string): string {
  return `with added as (${insert} returning 1) select count(*) as inserted from added`;
}
