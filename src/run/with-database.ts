import { setMaxListeners } from 'node:events';
import { messageOf } from '../errors.js';
import type { OnEvent } from '../report/events.js';
import { ALL_PARENTS } from '../fixtures/parents.js';
import type { DatabaseOptions } from './options.js';
import { createParents } from './parents.js';
import { resolveTarget, type Target } from '../postgres/target.js';
import { translateError } from '../postgres/translate-error.js';

export interface Database {
  target: Target;
  /** Aborted by the caller, when the time is up, or by `abort`. */
  signal: AbortSignal;
  /** Cancels whatever still runs, with the error that made it pointless. */
  abort: (reason: unknown) => void;
  onEvent: OnEvent;
  onNotice: (message: string) => void;
}

/** Runs `work` on the database that the options name; an embedded server that was started for it stops after it. */
export async function withDatabase<T>(
  options: DatabaseOptions,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const onEvent = options.onEvent ?? (() => undefined);
  const onNotice = (message: string): void => {
    onEvent({ type: 'notice', message });
  };
  const { signal, abort, release } = cancellation(options);
  const on = (target: Target): Promise<T> => work({ target, signal, abort, onEvent, onNotice });
  try {
    const named = options.embedded ? undefined : resolveTarget(options.databaseUrl);
    return await (named === undefined ? onOwnServer(options, signal, onNotice, on) : on(named));
  } catch (error) {
    // An abort that came while nothing but waiting was done: Node's own timers hide its reason.
    const abortedWait = signal.aborted && error instanceof Error && error.name === 'AbortError';
    if (!abortedWait && error !== signal.reason) throw error;
    throw translateError(signal.reason, { phase: 'prepare', state: 'nothing was changed' });
  } finally {
    release();
  }
}

async function onOwnServer<T>(
  { embedded }: DatabaseOptions,
  signal: AbortSignal,
  onNotice: (message: string) => void,
  work: (target: Target) => Promise<T>,
): Promise<T> {
  const own = typeof embedded === 'object' ? embedded : {};
  // Loaded here and not before: whoever names a database need not wait for it.
  const { startEmbedded } = await import('../embedded/index.js');
  const server = await startEmbedded({ seed: seedParents, onNotice, signal, ...own });
  try {
    onNotice(`embedded PostgreSQL ${server.version} at ${server.url}`);
    return await work({ ...resolveTarget(server.url)!, scramOnly: true });
  } finally {
    await server.stop();
  }
}

/** Gives a fresh embedded database the parents that the shipped fixtures name. */
export function seedParents(
  client: { query(sql: string, values?: unknown[]): Promise<unknown> },
  schema = 'public',
): Promise<void> {
  return createParents(client, ALL_PARENTS, schema);
}

/**
 * One signal for all that may end a run early: the caller's signal, the time limit, an error of the run's own. Not
 * AbortSignal.any() of an AbortSignal.timeout(): nothing holds the latter, and once collected it never fires.
 */
export function cancellation({ signal: given, timeoutMs }: Pick<DatabaseOptions, 'signal' | 'timeoutMs'>) {
  const controller = new AbortController();
  // Every session listens, and every copy.
  setMaxListeners(0, controller.signal);
  const abort = (reason: unknown): void => {
    controller.abort(reason);
  };
  const onAbort = (): void => {
    const reason: unknown = given?.reason;
    const named = reason instanceof DOMException;
    abort(named ? reason : new DOMException(messageOf(reason), 'AbortError'));
  };
  if (given?.aborted === true) onAbort();
  given?.addEventListener('abort', onAbort, { once: true });
  const timedOut = (): void => {
    abort(new DOMException(`the time limit of ${timeoutMs ?? 0} ms has run out`, 'TimeoutError'));
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(timedOut, timeoutMs);
  const release = (): void => {
    clearTimeout(timer);
    given?.removeEventListener('abort', onAbort);
  };
  return { signal: controller.signal, abort, release };
}
