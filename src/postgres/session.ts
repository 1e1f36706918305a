import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { messageOf, ScaleSeedError } from '../errors.js';
import { connect, cut, requestCancel } from './connect.js';
import type { Target } from './target.js';
import { translateError } from './translate-error.js';

/** How long a rollback or a cancelled statement may take before the socket is cut instead. */
const GRACE_MS = 1500;

/**
 * What holds for a transaction alone: no JIT, which never pays in a merge and can cost hundreds of milliseconds, and a
 * watch on the client, without which a backend that waits for COPY data never learns that the loader's machine is
 * gone. Servers on Windows cannot watch it, and PostgreSQL 14 can on Linux alone.
 */
const SETTINGS = `
select set_config('jit', 'off', true),
  set_config('client_connection_check_interval',
    case when version() ~* 'mingw|windows|visual c' or version() ~ '^PostgreSQL 14' and version() !~* 'linux' then '0'
      else '5000' end, true),
  set_config('tcp_keepalives_idle', '30', true),
  set_config('tcp_keepalives_interval', '10', true),
  set_config('tcp_keepalives_count', '3', true)`;

/**
 * One connection that can be interrupted at any moment: an abort cancels the running statement on the server, and
 * whatever fails leaves the connection either rolled back or closed.
 */
export class Session {
  /** Ends all that the session does. */
  readonly signal: AbortSignal;
  readonly #client: pg.Client;
  readonly #target: Target;
  readonly #onAbort = (): void => void this.#cancel();
  /** What runs on the server now. */
  #running: Promise<unknown> | undefined;
  #broken = false;

  private constructor(client: pg.Client, target: Target, signal: AbortSignal) {
    this.#client = client;
    this.#target = target;
    this.signal = signal;
    // A backend that is killed makes the client emit twice; without a listener the process would die.
    client.on('error', () => (this.#broken = true));
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** @throws ScaleSeedError `connect`, or what the signal was aborted with. */
  static async open(target: Target, signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted();
    return new Session(await connect(target, signal), target, signal);
  }

  /** Runs one statement; errors come as pg throws them, or as the abort's reason. */
  async query<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<pg.QueryResult<R>> {
    this.signal.throwIfAborted();
    return this.#run(() => this.#client.query<R>(sql, values));
  }

  /** Streams chunks into `COPY ... FROM STDIN`, with back-pressure from the server to the generator. */
  async copyFrom(sql: string, chunks: AsyncIterable<Buffer>): Promise<{ rows: number }> {
    this.signal.throwIfAborted();
    return this.#run(async () => {
      const stream = this.#client.query(copyFrom(sql));
      await pipeline(chunks, stream, { signal: this.signal });
      return { rows: stream.rowCount };
    });
  }

  /**
   * Runs `work` between begin and commit; rolls back whatever it throws. A role's default of another isolation level
   * would not see what the loader that it waited for has committed.
   *
   * @throws ScaleSeedError `server` when the connection is lost during the commit, so that nobody knows how it ended;
   *   otherwise what `work` threw.
   */
  async transaction<T>(
    work: () => Promise<T>,
    isolation: 'read committed' | 'repeatable read' = 'read committed',
  ): Promise<T> {
    let committing = false;
    try {
      await this.query(`begin isolation level ${isolation}; ${SETTINGS}`);
      const result = await work();
      this.signal.throwIfAborted();
      committing = true;
      await this.query('commit');
      return result;
    } catch (error) {
      if (committing && !(error instanceof pg.DatabaseError)) throw lostInCommit(error, this.signal);
      await this.#rollback();
      throw error;
    }
  }

  /** Warnings of the server's, such as a VACUUM that skips a table. */
  onWarning(listener: (message: string) => void): void {
    this.#client.on('notice', ({ severity, message }) => {
      if (severity === 'WARNING') listener(message ?? '');
    });
  }

  /** Ends the connection; never throws, never waits long. */
  async close(): Promise<void> {
    this.signal.removeEventListener('abort', this.#onAbort);
    if (this.#broken || !(await settles(this.#client.end()))) this.#cut();
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#running = running.catch(() => undefined);
    try {
      return await running;
    } catch (error) {
      this.signal.throwIfAborted();
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #rollback(): Promise<void> {
    // What failed may be something else than the statement that still runs.
    await this.#cancel();
    if (!this.#broken && !(await settles(this.#client.query('rollback')))) this.#cut();
  }

  /** Cancels what runs on the server; cuts the socket if that does not help, or if its answer does not come. */
  async #cancel(): Promise<void> {
    const running = this.#running;
    if (running === undefined || this.#broken) return;
    const taken = await requestCancel(this.#client, this.#target, GRACE_MS);
    if (!taken || !(await settles(running))) this.#cut();
  }

  #cut(): void {
    this.#broken = true;
    cut(this.#client);
  }
}

function lostInCommit(error: unknown, { aborted, reason }: AbortSignal): ScaleSeedError {
  const what = aborted ? 'interrupted' : 'the connection was lost';
  return new ScaleSeedError(`${what} during the commit: ${messageOf(error)}`, {
    code: aborted ? translateError(reason, { phase: 'merge' }).code : 'server',
    phase: 'merge',
    state: 'unknown: either all of it was committed or none, as the answer was lost',
    hint: 'run the command again: it completes what is missing',
    cause: error,
  });
}

/** Whether a promise fulfils within the grace period. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => {
      resolve(false);
    }, GRACE_MS);
  });
  const settled = promise.then(
    () => true,
    () => false,
  );
  return Promise.race([settled, late]).finally(() => {
    clearTimeout(timer);
  });
}
