import { refusal } from '../errors.js';
import { literal, quote, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { nameOf } from '../report/table-name.js';
import type { TableInfo } from './inspect-table.js';

/** How Citus keeps some tables. */
const MANAGED = `
select logicalrelid::oid::int8 as oid,
  case when repmodel = 't' then 'copies' when partmethod <> 'n' then 'rows' when colocationid = 0 then 'whole'
    else 'shard' end as kept,
  case partmethod when 'n' then null when 'h' then column_to_column_name(logicalrelid, partkey) else '' end as "shardedBy"
from pg_catalog.pg_dist_partition where logicalrelid::oid::int8 = any($1::int8[])`;

interface Managed {
  oid: string;
  /** With a copy on every node, its rows spread over shards, whole on the coordinator, or as one shard on one worker. */
  kept: 'copies' | 'rows' | 'whole' | 'shard';
  shardedBy: string | null;
}

async function findManaged(session: Session, tables: readonly TableInfo[]): Promise<Managed[]> {
  return (await session.query<Managed>(MANAGED, [tables.map(({ oid }) => oid)])).rows;
}

/**
 * Marks the tables that Citus keeps, and how. A single node is asked whether the role may set session_replication_role
 * there, where it may here.
 *
 * @throws ScaleSeedError `configuration` on a worker, which joins no temporary table with one of the coordinator's.
 */
export async function markDistributed(
  session: Session,
  tables: Iterable<TableInfo>,
  server: { version: string; mayReplicate: boolean },
): Promise<void> {
  const all = [...tables];
  for (const { oid, kept, shardedBy } of await findManaged(session, all)) {
    const table = all.find((one) => one.oid === Number(oid))!;
    if (kept === 'whole' && (await nodeOf(session)) === 'worker')
      throw refusal(
        `Citus keeps ${nameOf(table)} on the coordinator, and this is a worker`,
        "give the coordinator's address",
        { code: 'configuration', phase: 'prepare', table: nameOf(table) },
      );
    table.distributed = true;
    table.shardedBy = shardedBy ?? undefined;
    const isSingle = kept === 'shard' || kept === 'whole';
    const mayReplicate = server.mayReplicate && isSingle && Number.parseInt(server.version) >= 15;
    table.mayReplicateThere = mayReplicate && (await mayReplicateIn(session, table));
  }
  if (all.some(isSharded)) session.soon(ONE_BY_ONE);
}

/** Whether the role may set session_replication_role, here or where a table is kept; from PostgreSQL 15 on. */
export async function mayReplicateIn(session: Session, table?: TableInfo): Promise<boolean> {
  const where = table === undefined ? '' : whereKept(table);
  const sql = `select has_parameter_privilege('session_replication_role', 'set') as may${where}`;
  return (await session.first<{ may: boolean }>(sql))?.may === true;
}

/**
 * Sets something for the transaction here and on all workers that take part in it: Citus hands a SET LOCAL on that is a
 * message by itself, text and all. Not so whatever is set afterwards, which in a savepoint would end the transaction.
 */
export async function setEverywhere(session: Session, set: string): Promise<void> {
  await session.query(`set local citus.propagate_set_commands = 'local'`);
  await session.query(set);
  await session.query(`set local citus.propagate_set_commands = 'none'`);
}

/** Has the workers wait for a lock no longer than this server does, until the transaction ends. */
export async function limitWaitsThere(session: Session): Promise<void> {
  const sql = `select quote_literal(current_setting('lock_timeout')) as limit`;
  const { limit } = (await session.first<{ limit: string }>(sql))!;
  await setEverywhere(session, `set local lock_timeout = ${limit}`);
}

/** Once a transaction has worked on many shards side by side, Citus writes to no reference table that they refer to. */
export const ONE_BY_ONE = `set local citus.multi_shard_modify_mode = 'sequential'`;

/** Whether Citus spreads the table's rows over several shards. */
export function isSharded({ shardedBy }: Pick<TableInfo, 'shardedBy'>): boolean {
  return shardedBy !== undefined;
}

/** What tells a row `t` from all others of its table: two workers may have given their shards the same oid. */
export function rowId({ distributed }: { distributed?: boolean | undefined }): string {
  return `t.tableoid, t.ctid${distributed === true ? ', t::text' : ''}`;
}

/** A value of types of PostgreSQL's categories; for others one that is a text as well as a uuid. */
const SOME_VALUE: Record<string, string> = { B: 'true', D: '2000-01-01', I: '0.0.0.0', N: '0', T: '0' };

/**
 * A FROM clause by which a select is run where the table's rows are kept, of many shards where that of a certain key is: an
 * advisory lock there is the same whichever server it comes through. Empty for a table of the server's own.
 */
export function whereKept(table: TableInfo): string {
  const { distributed, shardedBy } = table;
  if (!distributed) return '';
  const category = table.columns.find(({ name }) => name === shardedBy)?.category ?? '';
  const key = literal(SOME_VALUE[category] ?? '00000000-0000-0000-0000-000000000000');
  const one = shardedBy === undefined ? '' : ` where ${quote(shardedBy)} = ${key}`;
  return ` from (select count(*) from (select from ${quoteTable(table)}${one} limit 1) as kept) as kept`;
}

/** Keeps whoever would alter the table waiting. On this server alone: they all ask it, and other nodes may be down. */
export function lockHere(table: TableInfo, mode: 'row exclusive' | 'access share'): string {
  const alone = table.distributed ? 'set local citus.enable_ddl_propagation = off;\n' : '';
  return `${alone}lock table ${quoteTable(table)} in ${mode} mode`;
}

/** An INSERT ... SELECT with the number of rows that it `inserted`: Citus answers with that of the rows it was sent. */
export function countInserted(insert: string): string {
  return `with added as (${insert} returning 1) select count(*) as inserted from added`;
}

export const HAS_CITUS = `to_regclass('pg_catalog.pg_dist_partition') is not null`;

/** Which node of a Citus cluster the server is; undefined where there is no Citus. */
export async function nodeOf(session: Session): Promise<'coordinator' | 'worker' | undefined> {
  const asked = await session.first<{ hasCitus: boolean }>(`select ${HAS_CITUS} as "hasCitus"`);
  if (asked?.hasCitus !== true) return undefined;
  const isWorker = await session.count('from pg_catalog.pg_dist_local_group where groupid <> 0');
  return isWorker ? 'worker' : 'coordinator';
}

/** How Citus keeps any of some tables elsewhere, if it does; what is kept as copies, or by rows, comes first. */
export async function keptBy(
  session: Session,
  tables: readonly TableInfo[],
): Promise<'copies' | 'rows' | 'shard' | undefined> {
  if ((await nodeOf(session)) === undefined) return undefined;
  const managed = await findManaged(session, tables);
  return managed.flatMap(({ kept }) => (kept === 'whole' ? [] : [kept])).sort()[0];
}
