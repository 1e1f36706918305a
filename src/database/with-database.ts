import type pg from 'pg';
import type { OnEvent } from '../events.js';
import { ALL_PARENTS } from '../fixtures/parents.js';
import type { DatabaseOptions } from '../options.js';
import { startEmbedded, type EmbeddedServer } from './embedded/index.js';
import { createParents } from './parents.js';
import { resolveTarget, type Target } from './target.js';

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
  const failure = new AbortController();
  const signal = AbortSignal.any([failure.signal, ...limitsOf(options)]);
  const abort = (reason: unknown): void => {
    failure.abort(reason);
  };
  const named = options.embedded ? undefined : resolveTarget(options.databaseUrl);
  if (named !== undefined) return work({ target: named, signal, abort, onEvent, onNotice });

  const server = await startOwn(options, signal, onNotice);
  try {
    const target = resolveTarget(server.url)!;
    onNotice(`embedded PostgreSQL ${server.version} at ${server.url}`);
    return await work({ target, signal, abort, onEvent, onNotice });
  } finally {
    await server.stop();
  }
}

async function startOwn(
  { embedded }: DatabaseOptions,
  signal: AbortSignal,
  onNotice: (message: string) => void,
): Promise<EmbeddedServer> {
  const own = typeof embedded === 'object' ? embedded : {};
  return startEmbedded({ seed: seedParents, onNotice, signal, ...own });
}

/** Gives a fresh embedded database the parents that the shipped fixtures name. */
export function seedParents(client: pg.ClientBase, schema = 'public'): Promise<void> {
  return createParents({ query: (sql, values) => client.query(sql, values) }, ALL_PARENTS, schema);
}

function limitsOf({ signal, timeoutMs }: DatabaseOptions): AbortSignal[] {
  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  return [signal, timeout].filter((limit) => limit !== undefined);
}
