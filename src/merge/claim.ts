import { isDeepStrictEqual } from 'node:util';
import { hasState, type ScaleSeedError } from '../errors.js';
import { literal, quoteTable } from '../postgres/quote.js';
import { nowMs } from '../report/clock.js';
import type { TableName } from '../report/table-name.js';
import { checkTable } from '../run/check-table.js';
import { SERIALIZATION_FAILURE, stepError, type OnTable, type Step } from '../run/step.js';
import { whoHas } from '../run/watch-locks.js';
import { lockHere } from '../table/citus.js';
import { inspectTables, refuseMissingTable, type TableInfo } from '../table/inspect-table.js';
import type { ForeignKeyCheck } from '../report/result.js';
import { chooseForeignKeyCheck, lockConstantParents } from './foreign-keys.js';

type Mode = 'exclusive' | 'access exclusive';

const LOCK_NOT_AVAILABLE = /^55P03/;
const INSUFFICIENT_PRIVILEGE = /^42501/;

/**
 * Locks the tables of `parents`, a fixture's constant parents, and then its table until the transaction ends, and returns the
 * table as it is by then. Parents come first, since whoever holds one may want to read the table. Whoever locks them in the
 * other order would be in a deadlock with this, and PostgreSQL might end that session: so this waits for half of
 * deadlock_timeout at a time, then lets everything go, and others through that came after, and begins again. Locks that the
 * transaction asks for later are waited for up to `limitMs`, with others waiting behind.
 */
export async function claimTable(
  step: Step,
  mode: Mode,
  limitMs: number,
  parents: readonly TableName[] = [],
): Promise<TableInfo> {
  const { session } = step;
  const startMs = nowMs();
  session.waitingSinceMs = startMs;
  try {
    session.soon('savepoint claim');
    for (;;) {
      const claimed = await tryToClaim(step, mode, parents, startMs + limitMs - nowMs());
      if (claimed !== undefined) {
        session.soon(limitSql(`${atLeastOne(limitMs)}`));
        return await settleParents(step, await inspectAgain(step), claimed.missing);
      }
      if (nowMs() - startMs >= limitMs) throw lockedOut(step, limitMs);
    }
  } finally {
    session.waitingSinceMs = undefined;
  }
}

function mayNotLock(on: OnTable): ScaleSeedError {
  const { session, table } = on;
  const inReset = session.phase === 'reset';
  const message = `the role may not lock ${table.name}, as ${inReset ? 'a reset' : 'exclusive mode'} has to`;
  return stepError(on, message, {
    code: 'privilege',
    hint: `${inReset ? '' : 'load with --mode online, or '}make the role ${table.name}'s owner, or grant it maintain (PostgreSQL 17) or update on it`,
  });
}

/** Refuses a table that the role may not lock against everybody, without a lock. */
export async function foreseeClaim(step: Step): Promise<void> {
  const lockable = await step.session.count(
    `where has_table_privilege(${step.table.oid}, 'update, delete, truncate' ||
       case when current_setting('server_version_num')::int >= 170000 then ', maintain' else '' end)`,
  );
  if (lockable === 0) throw mayNotLock(step);
}

/** Locks also the parents of foreign keys that were added or changed before the table was locked. */
async function settleParents(
  step: Step,
  now: TableInfo,
  missing: ScaleSeedError | undefined,
): Promise<TableInfo> {
  const changed = { ...step, table: now };
  const isAsBefore = JSON.stringify(now.foreignKeys) === JSON.stringify(step.table.foreignKeys);
  const stillMissing = isAsBefore ? missing : await lockConstantParents(changed);
  const { check } = chooseForeignKeyCheck(changed);
  if (stillMissing !== undefined && check === 'set') throw stillMissing;
  return now;
}

/** Who waits for our transaction as a whole, as a CREATE INDEX CONCURRENTLY does that has found it looking at rows. */
const AWAITED = `from pg_locks as own join pg_locks as other using (locktype, virtualxid)
  where own.locktype = 'virtualxid' and own.pid = pg_backend_pid() and not other.granted`;

function inTheWay(on: OnTable): ScaleSeedError {
  return stepError(on, `another session waits for this one to let go of ${on.table.name} altogether`, {
    code: 'locked',
    sqlState: SERIALIZATION_FAILURE,
    hint: 'run the command again once that session is through',
  });
}

/** Undefined where it has to let go. */
async function tryToClaim(
  step: Step,
  mode: Mode,
  parents: readonly TableName[],
  leftMs: number,
): Promise<{ missing: ScaleSeedError | undefined } | undefined> {
  const { session, table } = step;
  const waitAtMost = (tables: readonly TableName[], to: Mode): void => {
    session.soon(limitSql(`least(${atLeastOne(leftMs)}, ${sliceSql(tables, to)})`));
  };
  try {
    waitAtMost(parents, 'access exclusive');
    if (parents.length > 0)
      await session.query(`lock table ${parents.map(quoteTable).join(', ')} in access exclusive mode`);
    const missing = await lockConstantParents(step);
    waitAtMost([table], mode);
    await session.query(`lock table ${quoteTable(table)} in ${mode} mode`).catch((error: unknown) => {
      throw hasState(error, INSUFFICIENT_PRIVILEGE) ? mayNotLock(step) : error;
    });
    return { missing };
  } catch (error) {
    if (!hasState(error, LOCK_NOT_AVAILABLE)) throw error;
    await session.query('rollback to savepoint claim');
    if ((await session.count(AWAITED)) > 0) throw inTheWay(step);
    return undefined;
  }
}

/**
 * Milliseconds for which tables may be waited for at a time: half the time until somebody looks for a deadlock. An autovacuum
 * gives way to whoever has waited for it that long, and waits for nobody, so where nothing else is in the way it is more.
 */
function sliceSql(tables: readonly TableName[], mode: Mode): string {
  const halfMs = `ceil(extract(epoch from current_setting('deadlock_timeout')::interval) * 500)`;
  if (tables.length === 0) return halfMs;
  const names = tables.map((table) => `${literal(quoteTable(table))}::regclass`);
  const inTheWay = `locktype = 'relation'${mode === 'exclusive' ? ` and mode <> 'AccessShareLock'` : ''}`;
  const others = `select bool_and(usesysid is null) from pg_stat_activity
    where pid in (${whoHas(names.join(', '))} and ${inTheWay})`;
  return `${halfMs} * case when (${others}) then 4 else 1 end`;
}

/** To PostgreSQL 0 means no limit. */
function atLeastOne(ms: number): number {
  return Math.max(1, Math.ceil(ms));
}

/** Has locks that are asked for from here on be waited for that long. */
export function limitSql(ms: string): string {
  return `select set_config('lock_timeout', (${ms})::int || 'ms', true)`;
}

function lockedOut(on: OnTable, limitMs: number): ScaleSeedError {
  const otherwise = on.session.phase === 'reset' ? '' : '; or load with --mode online';
  const hint = `end the sessions that hold it, or raise --lock-timeout${otherwise}`;
  return stepError(on, `${on.table.name} could not be locked within ${limitMs} ms`, { code: 'locked', hint });
}

/**
 * Locks the table against whoever would change it, where it is not `claimed`, and before that, where foreign keys can be
 * checked by set, the parents that are the same for all rows. Returns the table as it is now; the caller silences the
 * triggers, and locks the other parents.
 */
export async function takeOverForeignKeys(
  step: Step,
  claimed?: TableInfo,
): Promise<{ table: TableInfo; foreignKeys: ForeignKeyCheck }> {
  const before = chooseForeignKeyCheck(step);
  if (before.check === 'row') return { table: claimed ?? (await holdStructure(step)), foreignKeys: before };
  const missing = claimed === undefined ? await lockConstantParents(step) : undefined;
  const table = claimed ?? (await settleParents(step, await holdStructure(step), missing));
  return { table, foreignKeys: chooseForeignKeyCheck({ ...step, table }) };
}

/**
 * Returns the table as it is now. A trigger, rule, policy or foreign key, its own or one that points at it, may have been
 * added since it was first looked at: the lock keeps their makers away from here on, so that what the catalogue says
 * under it stays true. It asks for no more than the right to insert.
 */
export async function holdStructure(on: OnTable): Promise<TableInfo> {
  on.session.soon(lockHere(on.table, 'row exclusive'));
  return inspectAgain(on);
}

/** @throws ScaleSeedError `schema` or `fixture` where the table has become another than the fixture needs. */
async function inspectAgain({ session, fixture, table }: OnTable): Promise<TableInfo> {
  const { schema, name, distributed, shardedBy, mayReplicateThere } = table;
  const tables = await inspectTables(session, [name], schema);
  const found = tables.get(name) ?? (await refuseMissingTable(session, name, schema));
  const now = { ...found, distributed, shardedBy, mayReplicateThere };
  if (!isDeepStrictEqual(now, table)) await checkTable(session, fixture, now, []);
  return now;
}
