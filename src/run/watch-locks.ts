import { Session } from '../postgres/session.js';
import type { RunContext } from './context.js';
import { findHolders, listHolders, type Holder } from './holders.js';

/** A statement that has run for so long may be waiting; most of those that load much are not. */
const SUSPICIOUS_MS = 1000;
const INTERVAL_MS = 250;

/** Waits for the loader that is at work on a fixture, after a notice that says so. */
export const WAIT_FOR_FIXTURE = 'select pg_advisory_xact_lock($1::int, hashtext($2)) as turn';

interface Watched {
  tell: (message: string) => void;
  /** Holders that were told of. */
  told: Set<string>;
}

/** Who is in the way of a server process; whoever waits for a fixture's turn has said so by itself. */
const BLOCKERS = `
select unnest(pg_blocking_pids(pid)) from pg_stat_activity
where pid = $1::int and wait_event_type = 'Lock' and query <> $2`;

/**
 * Says whose locks the sessions of a run wait for, once for each of them and each set of holders. It asks by a session of
 * its own, which is opened when the first statement takes long; where none can be had, nothing is said.
 */
export class LockWatch {
  readonly #target: RunContext['target'];
  readonly #watched = new Map<Session, Watched>();
  readonly #opening = new AbortController();
  #asking: Promise<Session> | undefined;
  #open: Session | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ target }: Pick<RunContext, 'target'>) {
    this.#target = target;
  }

  /** Watches a session while it is at work. */
  async during<T>(session: Session, tell: Watched['tell'], work: () => Promise<T>): Promise<T> {
    this.#watched.set(session, { tell, told: new Set() });
    this.#timer ??= setTimeout(() => void this.#look(), INTERVAL_MS).unref();
    try {
      return await work();
    } finally {
      this.#watched.delete(session);
    }
  }

  /** Ends the watch, whether it is asking or not. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#open?.close();
    this.#opening.abort();
  }

  /** Looks at all sessions, and again after a while; gives up where it cannot ask. */
  async #look(): Promise<void> {
    try {
      for (const [session, watched] of this.#watched) {
        if (session.backend !== undefined && session.busyMs > SUSPICIOUS_MS)
          this.#tell(watched, await this.#blockersOf(session.backend));
      }
    } catch {
      return;
    }
    if (!this.#opening.signal.aborted) this.#timer = setTimeout(() => void this.#look(), INTERVAL_MS).unref();
  }

  async #blockersOf(backend: number): Promise<Holder[]> {
    this.#asking ??= Session.open(this.#target, this.#opening.signal);
    this.#open = await this.#asking;
    const holders = await findHolders(this.#open, BLOCKERS, [backend, WAIT_FOR_FIXTURE]);
    const own = [...this.#watched.keys()].map((session) => session.backend);
    return holders.filter(({ pid }) => !own.includes(pid));
  }

  #tell({ tell, told }: Watched, holders: readonly Holder[]): void {
    const key = holders.map(({ pid }) => pid).join();
    if (key === '' || told.has(key)) return;
    told.add(key);
    tell(`waiting for a lock that is held by ${listHolders(holders)}`);
  }
}
