import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { quoteTable } from '../postgres/quote.js';
import { nowMs } from '../report/clock.js';
import type { TableName } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';
import type { RunContext } from './context.js';
import type { Server } from './server.js';
import type { Sessions } from './sessions.js';
import { describeHolders, SUSPICIOUS_MS, whoHas } from './watch-locks.js';

const MOST_TRIES = 5;
const RETRY_MS = 100;

/** How long a table that somebody else has locked is looked at again, and a lock waited for that cannot be skipped. */
const PATIENCE_MS = 10_000;

type Vacuumed = TableName & {
  oid: string;
  /** How long the role waits for a lock, in milliseconds. */
  limitMs: string;
  obstacle: string | null;
};

/** PostgreSQL 14 cannot be asked to count what a session has changed before the session ends. */
const countsAtEnd = ({ version }: Server): boolean => Number.parseInt(version) < 15;

/**
 * Lets the server's statistics know with the commit what the transaction has changed. Otherwise they learn it a second
 * later, after VACUUM, and autovacuum comes for rows that are settled. PostgreSQL 14 tells of it when the session ends,
 * which a pooler's does not, or with a commit, if that is half a second after the last time it told.
 */
export function countWithCommit(session: Session, server: Server): void {
  if (!countsAtEnd(server)) void session.atCommit('select pg_stat_force_next_flush()');
  else if (session.pooled)
    void session.atCommit('select pg_sleep(0.51 - extract(epoch from clock_timestamp() - now()))');
}

/** Vacuums and analyzes changed tables (`schema.table`). All is committed by now: where it fails, and is not aborted, it is a notice. */
export async function settleTables(
  { signal, onEvent, onNotice }: RunContext,
  sessions: Sessions,
  server: Server,
  names: ReadonlySet<string>,
): Promise<void> {
  if (names.size > 0 && countsAtEnd(server)) await sessions.close();
  for (const name of names) {
    const tell = (message: string): void => {
      onNotice(`${name} ${message}`);
    };
    try {
      const session = await sessions.at(0);
      session.phase = 'settle';
      session.onWait = tell;
      const found = await session.transaction(() => prepareVacuum(session, name), { reads: true });
      if (found === undefined) {
        tell('was not vacuumed: there is no table of that name any more');
        continue;
      }
      onEvent({ type: 'settle', table: found.name });
      if (found.obstacle === null) await vacuum(session, found, tell);
      else tell(`is not vacuumed, as the role may not: ${found.obstacle}`);
    } catch (error) {
      if (signal.aborted) throw error;
      tell(`was not vacuumed: ${messageOf(error)}; what was done is committed all the same`);
    }
  }
}

/**
 * Waits for nobody's lock, but looks for a while whether it is gone. Dead rows that an open transaction may still see stay,
 * and bring autovacuum: a short one, such as an ANALYZE of its own, is waited for.
 */
async function vacuum(session: Session, table: Vacuumed, tell: (message: string) => void): Promise<void> {
  const name = quoteTable(table);
  const pause = (): Promise<void> => delay(RETRY_MS, undefined, { signal: session.signal });
  const startMs = nowMs();
  let told = false;
  while (await isSkipped(session, `vacuum (analyze, skip_locked) ${name}`)) {
    await pause();
    const waitedMs = nowMs() - startMs;
    if (waitedMs > Math.min(Number(table.limitMs), PATIENCE_MS)) {
      tell(`is not vacuumed, since it stays locked by ${await holdersOf(session, table)}`);
      return;
    }
    if (told || waitedMs < SUSPICIOUS_MS) continue;
    told = true;
    tell(`waiting for a lock that is held by ${await holdersOf(session, table)}`);
  }
  for (let tries = 1; ; tries++) {
    const sql = 'select pg_stat_get_dead_tuples($1::int8::oid) as dead';
    const left = await session.first<{ dead: string }>(sql, [table.oid]);
    if (Number(left?.dead) === 0) return;
    if (tries > MOST_TRIES) break;
    await pause();
    await isSkipped(session, `vacuum (skip_locked) ${name}`);
  }
  tell('keeps dead rows that an open transaction may still see: autovacuum will come for them');
}

/** Whether a statement has left a table alone that somebody else has locked. */
async function isSkipped(session: Session, sql: string): Promise<boolean> {
  return (await session.hear(sql)).includes('55P03');
}

async function holdersOf(session: Session, { oid }: Vacuumed): Promise<string> {
  const pids = `${whoHas('$1::int8::oid')} and mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`;
  return (await describeHolders(session, pids, [oid])) || 'another session';
}

/**
 * VACUUM runs in no transaction: what is to hold for it is set for the session, where that is no pooler's. It ends if the
 * loader goes, and waits with a limit for a lock that it cannot do without, such as an index's or a partition's. That a worker
 * of Citus has skipped a table is a debug message.
 */
const SET_FOR_VACUUM = `
select set_config(name, case name when 'lock_timeout'
  then least(extract(epoch from current_setting(name)::interval) * 1000, ${PATIENCE_MS})::int::text
  when 'client_min_messages' then 'debug1' else current_setting(name) end, false)
from unnest(array['client_connection_check_interval', 'lock_timeout', 'client_min_messages']) as name`;

/** Owners of the table or of the database may vacuum it, and from 17 on whoever may maintain it. */
const FIND = `
select c.oid::int8 as oid, n.nspname as schema, c.relname as name,
  (extract(epoch from current_setting('lock_timeout')::interval) * 1000)::int8 as "limitMs", case
    when pg_has_role(d.datdba, 'usage') then null
    when not v.maintain and not pg_has_role(c.relowner, 'usage')
      then format('before PostgreSQL 17 only its owner may, %I', pg_get_userbyid(c.relowner))
    when v.maintain and not has_table_privilege(c.oid, 'maintain')
      then format('grant maintain on %I.%I to %I', n.nspname, c.relname, current_user)
  end as obstacle
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_database d on d.datname = current_database(),
  (select current_setting('server_version_num')::int >= 170000 as maintain) as v
where n.nspname || '.' || c.relname = $1 and c.relkind in ('r', 'p')`;

async function prepareVacuum(session: Session, name: string): Promise<Vacuumed | undefined> {
  if (!session.pooled) await session.query(SET_FOR_VACUUM);
  return session.first<Vacuumed>(FIND, [name]);
}
