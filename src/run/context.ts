import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { abortReason } from '../errors.js';
import { resolveTarget, type Target } from '../postgres/target.js';
import { translateError } from '../postgres/translate-error.js';
import type { OnEvent } from '../report/events.js';
import { checkOptions, type DatabaseOptions, type Operation } from './options.js';

/** What all parts of a run share. */
export interface RunContext {
  target: Target;
  /** Aborted by the caller, when the time is up, or by `abort`. */
  signal: AbortSignal;
  abort: (reason: unknown) => void;
  onEvent: OnEvent;
  onNotice: (message: string) => void;
}

/** Runs an operation's `work` on the database that its options name; an embedded server that it has started ends with it. */
export async function withDatabase<T>(
  operation: Operation,
  options: DatabaseOptions,
  work: (context: RunContext) => Promise<T>,
): Promise<T> {
  checkOptions(operation, options);
  const { signal, abort, release } = cancellation(options);
  const listener = listenTo(options.onEvent, abort);
  const { onEvent, onNotice } = listener;
  const on = async (target: Target): Promise<T> => {
    const result = await work({ target, signal, abort, onEvent, onNotice });
    // What the last events met, a promise of the listener's among it.
    await nextTurn();
    listener.rethrow();
    return result;
  };
  try {
    const { embedded = false } = options;
    if (embedded !== false) return await onOwnServer(embedded === true ? {} : embedded, signal, onNotice, on);
    const target = resolveTarget(options.databaseUrl);
    target.warnings.forEach(onNotice);
    return await on(target);
  } catch (error) {
    // What the caller's listener threw is the caller's.
    listener.rethrow();
    throw translateError(error, { phase: 'prepare' });
  } finally {
    release();
  }
}

/** Calls a listener; what it throws ends the run. */
function listenTo(onEvent: OnEvent = () => undefined, abort: RunContext['abort']) {
  let thrown: { error: unknown } | undefined;
  const failed = (error: unknown): void => {
    thrown ??= { error };
    abort(new DOMException('the listener of the events has thrown', 'AbortError'));
  };
  const guarded: OnEvent = (event) => {
    if (thrown !== undefined) return;
    try {
      // Whatever can be waited for counts as a promise.
      Promise.resolve(onEvent(event)).catch(failed);
    } catch (error) {
      failed(error);
    }
  };
  return {
    onEvent: guarded,
    onNotice: (message: string): void => {
      guarded({ type: 'notice', message });
    },
    rethrow: (): void => {
      if (thrown !== undefined) throw thrown.error;
    },
  };
}

async function onOwnServer<T>(
  options: Exclude<NonNullable<DatabaseOptions['embedded']>, boolean>,
  signal: AbortSignal,
  onNotice: (message: string) => void,
  work: (target: Target) => Promise<T>,
): Promise<T> {
  // Loaded here and not before: whoever names a database need not wait for it.
  const { startEmbedded } = await import('../embedded/index.js');
  const signals = options.signal === undefined ? [signal] : [signal, options.signal];
  const server = await startEmbedded({ ...options, signal: AbortSignal.any(signals) });
  try {
    if (process.env.DATABASE_URL !== undefined)
      onNotice('DATABASE_URL is passed over for the embedded server');
    onNotice(`embedded PostgreSQL ${server.version} at ${server.url}`);
    return await work(resolveTarget(`${server.url}&require_auth=scram-sha-256`, {}));
  } finally {
    await server.stop();
  }
}

/**
 * One signal for all that may end a run early: the caller's signal, the time limit, an error of the run's own. Not
 * AbortSignal.any() of an AbortSignal.timeout(): nothing holds the latter, and once collected it never fires.
 */
function cancellation({ signal: given, timeoutMs }: Pick<DatabaseOptions, 'signal' | 'timeoutMs'>) {
  const controller = new AbortController();
  // Every session listens, and every copy.
  setMaxListeners(0, controller.signal);
  const abort = (reason: unknown): void => {
    controller.abort(reason);
  };
  const onAbort = (): void => {
    abort(abortReason(given?.reason));
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
