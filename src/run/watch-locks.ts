import type { ScaleSeedError } from '../errors.js';
import { Session } from '../postgres/session.js';
import type { Target } from '../postgres/target.js';
import { nowMs } from '../report/clock.js';

/** Statements that have run for so long are looked at; most of those that load much wait for nothing. */
export const SUSPICIOUS_MS = 1000;
const INTERVAL_MS = 100;

/** A select of the other sessions that have locked relations, which are a list of oids or a select, as SQL. */
export function whoHas(relations: string): string {
  return `select pid from pg_locks where relation in (${relations}) and ${IN_THIS_DATABASE} and granted and pid <> pg_backend_pid()`;
}

/** Of pg_locks: databases that were made from one template have tables of the same oids. */
export const IN_THIS_DATABASE = 'database = (select oid from pg_database where datname = current_database())';

/** Not by pg_stat_activity, which hides what a role does for one that it is no member of. */
const BLOCKERS = 'select pid from unnest(pg_blocking_pids($1::int)) as b (pid)';

/** The first few sessions that a select returns, in words, as far as the role may see them; empty where there are none. */
export async function describeHolders(session: Session, pids: string, values: unknown[]): Promise<string> {
  const { rows } = await session.query<{ text: string }>(
    `select distinct pid, case pid when 0 then 'a prepared transaction' else format('pid %s (%s)', pid, concat_ws(', ',
       coalesce(usename, backend_type), nullif(application_name, ''),
       'in a transaction since ' || to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC')) end as text
     from (${pids}) as holder (pid) left join pg_stat_activity using (pid) order by pid limit 5`,
    values,
  );
  return rows.map(({ text }) => text).join(', ');
}

/** The error of a lock that was not had in time, with the sessions that hold it; any other error as it is. */
export async function nameHolders(
  session: Session,
  { oid }: { oid: number },
  error: ScaleSeedError,
): Promise<ScaleSeedError> {
  if (error.code !== 'locked') return error;
  const holders =
    session.heldBy ?? (await describeHolders(session, whoHas('$1::int8::oid'), [oid]).catch(() => ''));
  return holders === '' ? error : error.with({ message: `${error.message}: held by ${holders}` });
}

/**
 * Has those who wait for a lock of somebody else's say whose it is, once for each set of holders, until it is ended. Asks
 * by a session of its own, opened when the first statement takes long; where none can be had, nothing is said.
 */
export function watchLocks(target: Target, sessions: readonly Session[]): () => Promise<void> {
  const told = new WeakMap<NonNullable<Session['onWait']>, Set<string>>();
  const opening = new AbortController();
  let open: Session | undefined;
  let timer: NodeJS.Timeout;

  async function look(): Promise<void> {
    // Those that are not open yet are holes.
    const alive = sessions.filter(({ broken }) => !broken);
    // Behind a pooler a session has a process of the server's only within a transaction.
    const own = alive.flatMap(({ backend }) => backend ?? []);
    for (const session of alive) {
      const { backend, waitingSinceMs, busySinceMs = Infinity, onWait } = session;
      const { holders: sql, values } = session.waitsFor ?? { holders: BLOCKERS, values: [backend] };
      const waitedMs = nowMs() - (waitingSinceMs ?? busySinceMs);
      if (!backend || !onWait || waitedMs < (waitingSinceMs === undefined ? SUSPICIOUS_MS : INTERVAL_MS))
        continue;
      open ??= await Session.open(target, opening.signal);
      const others = `select pid from (${sql}) as holder where pid <> all ($${values.length + 1}::int[])`;
      const holders = await describeHolders(open, others, [...values, own]);
      if (holders === '') continue;
      session.heldBy = holders;
      const known = told.get(onWait) ?? new Set();
      if (waitedMs < SUSPICIOUS_MS || known.has(holders)) continue;
      onWait(`waiting for a lock that is held by ${holders}`);
      told.set(onWait, known.add(holders));
    }
    if (!opening.signal.aborted) lookLater();
  }
  function lookLater(): void {
    timer = setTimeout(() => void look().catch(() => undefined), INTERVAL_MS).unref();
  }

  lookLater();
  return async () => {
    await open?.close();
    opening.abort();
    clearTimeout(timer);
  };
}
