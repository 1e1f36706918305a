import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { hasState, messageOf, type Phase, type ScaleSeedError } from '../errors.js';
import { nowMs } from '../report/clock.js';
import { connect, cut, requestCancel } from './connect.js';
import { internals } from './internals.js';
import { SETTINGS, SETTINGS_AT } from './settings.js';
import type { Target } from './target.js';
import { translateError } from './translate-error.js';

/** How long a rollback or a cancelled statement may take before the socket is cut instead. */
const GRACE_MS = 1500;

/** The row that came with a begin. */
export type Opened = Readonly<Record<string, unknown>>;

interface Begin {
  isolation?: 'read committed' | 'repeatable read' | undefined;
  /** A select that goes with the begin. */
  opening?: string | undefined;
  /** Nothing changes, whether it is committed or not. */
  reads?: boolean | undefined;
}

/** One connection that can be interrupted at any moment; whatever fails leaves it either rolled back or closed. */
export class Session {
  /** Ends all that the session does. */
  readonly signal: AbortSignal;
  /** The step of the run in which the session is at work, for what it throws. */
  phase: Phase = 'prepare';
  /** Is told whose locks the session waits for. */
  onWait: ((message: string) => void) | undefined;
  /** The server process that works for it; behind a pooler none outside of transactions. */
  backend: number | undefined;
  /** When the statement that runs was sent. */
  busySinceMs: number | undefined;
  /** Since when it waits for a lock, by more than one statement. */
  waitingSinceMs: number | undefined;
  /** A select of the server processes that hold it, where no statement waits. */
  waitsFor: { holders: string; values: unknown[] } | undefined;
  /** Whoever was seen to hold what the transaction waited for, in words. */
  heldBy: string | undefined;
  readonly #client: pg.Client;
  readonly #target: Target;
  readonly #onAbort = (): void => void this.#cancel();
  /** What runs on the server now. */
  #running: Promise<unknown> | undefined;
  #soon: string[] = [];
  #lastWords: { sql: string; answer: (rows: never[]) => void }[] = [];
  #broken = false;
  /** What the server, or the network, said of it first. */
  #lostBy: unknown;
  /** What the server said last of a statement that was interrupted. */
  #said: unknown;
  /** The transaction is being rolled back: whatever of its work is still under way gets no further. */
  #leaving = false;

  private constructor(client: pg.Client, target: Target, signal: AbortSignal) {
    this.#client = client;
    this.#target = target;
    this.signal = signal;
    // A backend that is killed makes the client emit twice; without a listener the process would die.
    client.on('error', (error) => {
      this.#broken = true;
      this.#lostBy ??= error;
    });
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  static async open(target: Target, signal: AbortSignal): Promise<Session> {
    try {
      signal.throwIfAborted();
      return new Session(await connect(target, signal), target, signal);
    } catch (error) {
      throw translateError(error, { phase: 'connect' });
    }
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** In a transaction, whether a pooler stands before the server: what it tells of at the login is no server process. */
  get pooled(): boolean {
    return this.backend !== internals(this.#client).processID;
  }

  /** Runs one statement, after those that were to be run soon; the last of several counts. */
  async query<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<pg.QueryResult<R>> {
    if (values.length > 0) await this.#flush();
    const message = this.#message(sql);
    const results = await this.#run<unknown>(() => this.#client.query<R>(message, values));
    return (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult<R>;
  }

  /** The first row of its answer. */
  async first<R extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<R | undefined> {
    return (await this.query<R>(sql, values)).rows[0];
  }

  /** How many rows a FROM clause gives, with its WHERE and what else there is after it. */
  async count(from: string, values?: unknown[]): Promise<number> {
    return Number((await this.first<{ count: string }>(`select count(*) ${from}`, values))?.count);
  }

  /** How many rows a statement inserts, changes or deletes. */
  async change(sql: string, values?: unknown[]): Promise<number> {
    return (await this.query(sql, values)).rowCount ?? 0;
  }

  /** Has a statement run with the next one, in one message where that has no parameters: nobody needs its answer. */
  soon(sql: string): void {
    this.#soon.push(sql);
  }

  /** Runs one statement, and returns the SQLSTATEs of what the server has to say of it. */
  async hear(sql: string): Promise<string[]> {
    const heard: string[] = [];
    const listen = ({ code }: { code?: string | undefined }): void => void heard.push(code ?? '');
    this.#client.on('notice', listen);
    try {
      await this.query(sql);
      return heard;
    } finally {
      this.#client.off('notice', listen);
    }
  }

  /** Asks in the message that commits, and resolves once that is through; never, where it is not. Takes no parameters. */
  async atCommit<R extends pg.QueryResultRow>(sql: string): Promise<R[]> {
    return new Promise((resolve) => this.#lastWords.push({ sql, answer: resolve }));
  }

  /** Streams chunks into `COPY ... FROM STDIN`, with back-pressure from the server to the generator. */
  async copyFrom(sql: string, chunks: AsyncIterable<Buffer>): Promise<void> {
    // The stream takes no rows of others.
    if (this.#soon.some((other) => /^\s*select\b/i.test(other))) await this.#flush();
    const message = this.#message(sql);
    await this.#run(() => pipeline(chunks, this.#client.query(copyFrom(message)), { signal: this.signal }));
  }

  /**
   * Runs `work` between begin and commit, and gives it the row that an `opening` select returned with the begin; rolls
   * back whatever it throws. A role's default of another isolation level would not see what the loader that it waited for
   * has committed. An error with a `state` says that the connection was lost during the commit: nobody knows how it ended.
   */
  async transaction<T>(
    work: (opened: Opened) => Promise<T>,
    { isolation = 'read committed', opening = '', reads = false }: Begin = {},
  ): Promise<T> {
    let committing = false;
    this.#lastWords = [];
    this.#soon = [];
    this.heldBy = undefined;
    this.#said = undefined;
    try {
      const begin = `begin isolation level ${isolation}; ${SETTINGS}; select pg_catalog.pg_backend_pid() as pid; ${opening}`;
      const begun = await this.#run<unknown>(() => this.#client.query(begin));
      const answers = begun as pg.QueryResult<Opened>[];
      this.backend = Number(answers[SETTINGS_AT]?.rows[0]?.pid);
      const result = await work(answers.at(-1)?.rows[0] ?? {});
      committing = !this.signal.aborted && !this.#broken;
      await this.#commit();
      return result;
    } catch (error) {
      this.#leaving = true;
      // What the server has said of it counts, not why it was interrupted.
      const said = this.#said ?? error;
      const isLost =
        committing && !reads && !isRefused(said) && !(isAnswered(said) && (await this.#isOpen()));
      if (!isLost || isAnswered(error)) await this.#rollback();
      throw isLost ? lostInCommit(error, this) : error;
    } finally {
      this.#leaving = false;
      if (this.pooled) this.backend = undefined;
    }
  }

  /** Ends the connection, and waits until the server has ended its side; never throws, never waits long. */
  async close(): Promise<void> {
    this.signal.removeEventListener('abort', this.#onAbort);
    if (this.#broken || !(await settles(this.#client.end()))) this.#cut();
  }

  /** The same without waiting, as psql does it: neither here nor before the process ends. */
  leave(): void {
    internals(this.#client).connection.stream.unref();
    void this.close();
  }

  async #commit(): Promise<void> {
    const words = this.#lastWords;
    const message = this.#message(...words.map(({ sql }) => sql), 'commit');
    const answers: unknown = await this.#run(() => this.#client.query(message));
    const last = words.length === 0 ? [] : (answers as pg.QueryResult<never>[]).slice(-1 - words.length);
    for (const [i, { answer }] of words.entries()) answer(last[i]!.rows);
  }

  /** Statements as one message, after those that were to be run soon. */
  #message(...statements: readonly string[]): string {
    return [...this.#soon.splice(0), ...statements].join(';\n');
  }

  async #flush(): Promise<void> {
    const last = this.#soon.pop();
    if (last !== undefined) await this.query(last);
  }

  /** All errors of the driver's come through here, and are translated here. */
  async #run<T>(work: () => Promise<T>): Promise<T> {
    const { signal, phase } = this;
    try {
      signal.throwIfAborted();
      if (this.#leaving) throw new Error('the transaction is being rolled back');
      if (this.#lostBy !== undefined) throw this.#lostBy as Error;
      this.busySinceMs = nowMs();
      const running = work();
      this.#running = running.catch(() => undefined);
      return await running;
    } catch (error) {
      const known = translateError(error, { phase });
      if (!signal.aborted) throw known;
      this.#said = known;
      throw translateError(signal.reason, { phase });
    } finally {
      this.#running = undefined;
      this.busySinceMs = undefined;
    }
  }

  /** Whether what has failed was before the commit itself, in the message that ends with it: that leaves the transaction open. */
  async #isOpen(): Promise<boolean> {
    const { connection, readyForQuery } = internals(this.#client);
    // An error is sent at once, and how the transaction stands a moment later.
    if (!readyForQuery) await settles(new Promise((resolve) => connection.once('readyForQuery', resolve)));
    return this.#client.getTransactionStatus() === 'E';
  }

  async #rollback(): Promise<void> {
    // What failed may be something else than the statement that still runs.
    await this.#cancel();
    this.#soon = [];
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

/** Whether the server has said so: the session is at its disposal, whatever has become of the transaction. */
function isAnswered(error: unknown): boolean {
  return hasState(error, /^/);
}

/** Whether the server has refused to commit. Whoever stands between, a pooler or Citus, may have lost its answer. */
function isRefused(error: unknown): boolean {
  return hasState(error, /^(?!08|XX)/);
}

function lostInCommit(error: unknown, { signal, phase }: Session): ScaleSeedError {
  const what = signal.aborted ? 'interrupted' : 'the connection was lost';
  return translateError(error, { phase }).with({
    message: `${what} during the commit: ${messageOf(error)}`,
    state: 'unknown: either all of it was committed or none, as the answer was lost',
    hint: 'run the command again: it completes what is missing',
  });
}

/** Whether a promise fulfils within the grace period. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => false,
  );
  return Promise.race([settled, delay(GRACE_MS, false, { ref: false })]);
}
