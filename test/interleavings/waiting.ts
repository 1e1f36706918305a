import { setTimeout as delay } from 'node:timers/promises';
import type { Violation } from './account.js';
import { ROLES, type Connection } from './place.js';
import type { Running } from './running.js';
import { LOCK_TIMEOUT_MS } from './variants.js';

const POLL_MS = 20;
/** Whoever waits for so long has to have said for whom. */
const UNTOLD_MS = 5000;
/** What is done after the commit may wait for ten seconds. */
const SETTLE_MS = 12_000;
/** Readers may be kept from the table for its lock's time limit, and a second for a busy machine. */
const READERS_MS = LOCK_TIMEOUT_MS + 1000;

/** Whether a session waits for a lock, or a session of the command's waits for one that it holds. */
export async function isWaiting(
  own: Connection,
  pid: number,
  which: 'itself' | 'behind' = 'itself',
): Promise<boolean> {
  const condition =
    which === 'itself' ? 'pid = $1' : '$1 = any(pg_blocking_pids(pid)) and pid <> pg_backend_pid()';
  const rows = await own.query(
    `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and ${condition}`,
    [pid],
  );
  return rows.length > 0;
}

/**
 * Watches a command while the other session keeps all that it has locked. The command has to come to its end, or to say
 * whom it waits for; that is not enough while it keeps readers waiting, and neither once all is committed.
 */
export async function waitForOther(running: Running, own: Connection, pid: number): Promise<Violation[]> {
  const since = new Map<string, number>();
  const lasts = (what: string, isSo: boolean): number => {
    if (!isSo) since.delete(what);
    else if (!since.has(what)) since.set(what, performance.now());
    return performance.now() - (since.get(what) ?? performance.now());
  };
  const violation = (what: string): Violation[] => [{ kind: 'wait', what: `${running.stage}: ${what}` }];
  while (!running.ended) {
    const [held] = await own.query<{ waits: boolean; excludes: boolean }>(LOOK, [pid, Object.values(ROLES)]);
    const { waits = false, excludes = false } = held ?? {};
    const said = running.notices.some((notice) => notice.includes(`held by pid ${pid} `));
    if (lasts('excludes', waits && excludes) > READERS_MS)
      return violation(
        `waits for a lock of another's, and all readers of a table for it, longer than ${LOCK_TIMEOUT_MS} ms`,
      );
    const settles = running.stage === 'settle';
    const waitedMs = lasts('waits', waits);
    if (waitedMs > SETTLE_MS) return violation(`waits without limit, all being committed`);
    if (waitedMs > UNTOLD_MS && !said) return violation(`waits, and says not for whom`);
    if (said && !excludes && !settles) return [];
    await delay(POLL_MS);
  }
  return [];
}

const LOOK = `
select true as waits, exists (select from pg_locks as l join pg_class as c on c.oid = l.relation
    where l.pid = a.pid and l.granted and l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
      and c.relname in ('managed_certificates', 'agents')) as excludes
from pg_stat_activity as a where wait_event_type = 'Lock' and usename = any($2::name[]) and $1::int = any(pg_blocking_pids(pid))
limit 1`;
