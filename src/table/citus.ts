import { ScaleSeedError } from '../errors.js';
import { quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { TableInfo } from './inspect-table.js';

/** How Citus keeps some tables: with one shard or many of a column's values, or with a copy on every node. */
const MANAGED = `
select logicalrelid::oid::int8 as oid, partmethod <> 'n' as "rowSharded", repmodel = 't' as copied
from pg_catalog.pg_dist_partition where logicalrelid::oid::int8 = any($1::int8[])`;

interface Managed {
  oid: string;
  rowSharded: boolean;
  copied: boolean;
}

/**
 * Marks the tables whose rows Citus keeps on its workers: those of a distributed schema, each of which is one shard on one
 * worker, and reference tables, which every node has a copy of. The worker is asked whether the role may set
 * session_replication_role there, where it may here.
 *
 * @throws ScaleSeedError `schema` for a table whose rows are spread over several workers.
 */
export async function markDistributed(
  session: Session,
  tables: Iterable<TableInfo>,
  server: { version: string; mayReplicate: boolean },
): Promise<void> {
  const all = [...tables];
  const { rows } = await session.query<Managed>(MANAGED, [all.map(({ oid }) => oid)]);
  const managed = new Map(rows.map((found) => [Number(found.oid), found]));
  for (const table of all) {
    const found = managed.get(table.oid);
    if (found === undefined) continue;
    if (found.rowSharded) throw rowSharded(table);
    table.distributed = true;
    // PostgreSQL 15 brought what the worker is asked.
    const mayReplicate = server.mayReplicate && !found.copied && Number.parseInt(server.version) >= 15;
    table.mayReplicateThere = mayReplicate && (await mayReplicateThere(session, table));
  }
}

async function mayReplicateThere(session: Session, table: TableInfo): Promise<boolean> {
  const { rows } = await session.query<{ may: boolean }>(
    `select has_parameter_privilege('session_replication_role', 'set') as may${whereKept(table)}`,
  );
  return rows[0]?.may === true;
}

/**
 * Sets something for the transaction here and on all workers that take part in it: Citus hands a SET LOCAL on that is a
 * message by itself, text and all.
 */
export async function setEverywhere(session: Session, set: string): Promise<void> {
  await session.query(`set local citus.propagate_set_commands = 'local'`);
  await session.query(set);
}

function rowSharded({ schema, name }: TableInfo): ScaleSeedError {
  return new ScaleSeedError(
    `Citus spreads the rows of ${schema}.${name} over several shards, where no other unique key than one of the distribution column can hold`,
    {
      code: 'schema',
      phase: 'prepare',
      table: `${schema}.${name}`,
      state: 'nothing was changed',
      hint: 'put each fleet into a schema of its own, and have Citus distribute that: docs/citus.md',
    },
  );
}

/**
 * To be put after a select's list, so that it is run where the table's rows are kept: an advisory lock of that server's is
 * the same for whoever comes through another. Nothing for a table of the server's own.
 */
export function whereKept(table: Pick<TableInfo, 'schema' | 'name' | 'distributed'>): string {
  if (!table.distributed) return '';
  return ` from (select count(*) from (select from ${quoteTable(table)} limit 1) as kept) as kept`;
}

/**
 * A lock that keeps whoever would alter the table waiting. Citus would have every node take it, and fail where one of them
 * is down: whoever alters a table asks this one anyway.
 */
export function lockHere(table: TableInfo): string {
  const alone = table.distributed ? 'set local citus.enable_ddl_propagation = off;\n' : '';
  return `${alone}lock table ${quoteTable(table)} in row exclusive mode`;
}

/** An INSERT ... SELECT with the number of rows that it `inserted`: Citus answers with that of the rows it was sent. */
export function countInserted(insert: string): string {
  return `with added as (${insert} returning 1) select count(*) as inserted from added`;
}

/** Whether Citus is there. */
export const HAS_CITUS = `to_regclass('pg_catalog.pg_dist_partition') is not null`;

/** Which node of a Citus cluster the server is; undefined where there is no Citus. */
export async function nodeOf(session: Session): Promise<'coordinator' | 'worker' | undefined> {
  const { rows } = await session.query<{ hasCitus: boolean }>(`select ${HAS_CITUS} as "hasCitus"`);
  if (rows[0]?.hasCitus !== true) return undefined;
  const { rowCount } = await session.query('select from pg_catalog.pg_dist_local_group where groupid <> 0');
  return rowCount === 0 ? 'coordinator' : 'worker';
}

/** How Citus keeps any of some tables: each as one shard on one worker, with a copy on every node, or not at all. */
export async function keptBy(
  session: Session,
  tables: readonly TableInfo[],
): Promise<'shard' | 'copies' | undefined> {
  if ((await nodeOf(session)) === undefined) return undefined;
  const { rows } = await session.query<{ kept: 'shard' | 'copies' | null }>(
    `select min(case repmodel when 't' then 'copies' else 'shard' end) as kept from pg_catalog.pg_dist_partition
     where logicalrelid::oid::int8 = any($1::int8[])`,
    [tables.map(({ oid }) => oid)],
  );
  return rows[0]?.kept ?? undefined;
}
