import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { messageOf, ScaleSeedError } from '../errors.js';
import type { Target } from './target.js';
import { refusesEncryption } from './tls.js';
import { translateError } from './translate-error.js';

/** How long a rollback or a cancelled statement may take before the socket is cut instead. */
const GRACE_MS = 1500;

/**
 * Begins, asks the backend for its pid, since the one of the handshake is made up behind PgBouncer, and sets for this
 * transaction alone: no JIT, which never pays in a merge and can cost hundreds of milliseconds, and a watch on the
 * client, without which a backend that waits for COPY data never learns that the loader's machine is gone.
 */
const BEGIN = `begin; select pg_backend_pid() as pid,
  set_config('jit', 'off', true),
  set_config('client_connection_check_interval',
    case when version() ~* 'mingw|windows|visual c' then '0' else '5000' end, true),
  set_config('tcp_keepalives_idle', '30', true),
  set_config('tcp_keepalives_interval', '10', true),
  set_config('tcp_keepalives_count', '3', true)`;

/**
 * One connection that can be interrupted at any moment: an abort cancels the running statement on the server, and
 * whatever fails leaves the connection either rolled back or closed.
 */
export class Session {
  readonly #client: pg.Client;
  readonly #target: Target;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => void this.#cancel();
  #backend: number | undefined;
  #busy = 0;
  #broken = false;

  private constructor(client: pg.Client, target: Target, signal: AbortSignal) {
    this.#client = client;
    this.#target = target;
    this.#signal = signal;
    // A backend that is killed makes the client emit twice; without a listener the process would die.
    client.on('error', () => (this.#broken = true));
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** @throws ScaleSeedError `connect`, or what the signal was aborted with. */
  static async open(target: Target, signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted();
    return new Session(await connect(target), target, signal);
  }

  /** Runs one statement; errors come as pg throws them, or as the abort's reason. */
  async query<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<pg.QueryResult<R>> {
    this.#signal.throwIfAborted();
    return this.#run(() => this.#client.query<R>(sql, values));
  }

  /** Streams chunks into `COPY ... FROM STDIN`, with back-pressure from the server to the generator. */
  async copyFrom(sql: string, chunks: AsyncIterable<Buffer>): Promise<{ rows: number }> {
    this.#signal.throwIfAborted();
    return this.#run(async () => {
      const stream = this.#client.query(copyFrom(sql));
      await pipeline(chunks, stream, { signal: this.#signal });
      return { rows: stream.rowCount };
    });
  }

  /**
   * Runs `work` between begin and commit; rolls back whatever it throws.
   *
   * @throws ScaleSeedError `server` when the connection is lost during the commit, so that nobody knows how it ended;
   *   otherwise what `work` threw.
   */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    let committing = false;
    try {
      const [, begun] = (await this.query(BEGIN)) as unknown as pg.QueryResult<{ pid: number }>[];
      this.#backend = begun?.rows[0]?.pid;
      const result = await work();
      committing = true;
      await this.query('commit');
      return result;
    } catch (error) {
      if (committing && !(error instanceof pg.DatabaseError)) throw lostInCommit(error, this.#signal);
      await this.#rollback();
      throw error;
    } finally {
      this.#backend = undefined;
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
    this.#signal.removeEventListener('abort', this.#onAbort);
    if (this.#broken || !(await settles(this.#client.end()))) this.#cut();
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      return await work();
    } catch (error) {
      this.#signal.throwIfAborted();
      throw error;
    } finally {
      this.#busy -= 1;
    }
  }

  async #rollback(): Promise<void> {
    if (!this.#broken && !(await settles(this.#client.query('rollback')))) this.#cut();
  }

  /** Cancels what runs on the server, by a connection of its own; cuts the socket if that does not help. */
  async #cancel(): Promise<void> {
    if (this.#busy === 0 || this.#broken) return;
    const backend = this.#backend;
    const cancelled = backend !== undefined && (await settles(cancelBackend(this.#target, backend)));
    if (!cancelled) this.#cut();
  }

  #cut(): void {
    this.#broken = true;
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}

function lostInCommit(error: unknown, { aborted }: AbortSignal): ScaleSeedError {
  const what = aborted ? 'interrupted' : 'the connection was lost';
  return new ScaleSeedError(`${what} during the commit: ${messageOf(error)}`, {
    code: aborted ? 'interrupted' : 'server',
    phase: 'merge',
    state: 'it is not known whether the transaction was committed; it was either wholly or not at all',
    hint: 'run the command again: it completes what is missing',
    cause: error,
  });
}

async function cancelBackend(target: Target, backend: number): Promise<void> {
  const client = await connect(target);
  try {
    await client.query('select pg_cancel_backend($1)', [backend]);
  } finally {
    await client.end();
  }
}

async function connect(target: Target): Promise<pg.Client> {
  try {
    return await connectEitherWay(target);
  } catch (error) {
    throw translateError(error, { phase: 'connect', during: `cannot connect to ${target.display}` });
  }
}

/** With or without TLS first, as the mode wants it; the way that worked is remembered for the next session. */
async function connectEitherWay(target: Target): Promise<pg.Client> {
  const { config, otherSsl } = target;
  try {
    return await connectOnce(config);
  } catch (error) {
    if (otherSsl === undefined || !refusesEncryption(error)) throw error;
    const other = { ...config, ssl: otherSsl };
    const client = await connectOnce(other).catch((second: unknown) => {
      // Whichever got further says what is wrong.
      throw refusesEncryption(second) ? error : second;
    });
    target.config = other;
    target.otherSsl = undefined;
    return client;
  }
}

async function connectOnce(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({
    ...config,
    application_name: 'scale-seed',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
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
