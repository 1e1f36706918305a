import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { messageOf, ScaleSeedError, type Phase } from '../errors.js';
import { connect, cut, internals, requestCancel } from './connect.js';
import type { Target } from './target.js';
import { translateError } from './translate-error.js';

/** How long a rollback or a cancelled statement may take before the socket is cut instead. */
const GRACE_MS = 1500;

/**
 * What holds for each transaction, set anew in every one, since a pooler may give the next to another backend, and a
 * role, a database or a URL may have set it otherwise:
 *
 * - a name means what the catalogue has under it before anything else. This comes first and calls no operator, as one of
 *   somebody else's might be found;
 * - triggers and foreign keys do their work, an index gives all that it has, and an error ends a statement, not the
 *   session;
 * - values are written and read in one way, and messages are in English where the role may have that;
 * - no JIT, which never pays in a merge and can cost hundreds of milliseconds;
 * - a watch on the client, without which a backend that waits for COPY data never learns that the loader's machine is
 *   gone. Servers on Windows cannot watch it, and PostgreSQL 14 can on Linux alone;
 * - a lock is waited for five minutes at most, where nobody has chosen otherwise.
 *
 * Left as they are: limits (of time, memory, temporary files), what only makes a plan better or worse, read-only
 * transactions, which are refused, and synchronous_commit and event_triggers, which somebody has chosen for a reason.
 */
const SETTINGS = `
select pg_catalog.set_config('search_path',
  pg_catalog.regexp_replace(pg_catalog.current_setting('search_path'), '^(?=.)', 'pg_catalog, '), true);
select set_config(name, wanted, true) from (values
  ('session_replication_role', 'origin'), ('row_security', 'on'), ('gin_fuzzy_search_limit', '0'),
  ('exit_on_error', 'off'), ('jit', 'off'),
  ('datestyle', 'ISO, MDY'), ('intervalstyle', 'postgres'), ('timezone', 'UTC'), ('timezone_abbreviations', 'Default'),
  ('bytea_output', 'hex'), ('extra_float_digits', '1'), ('lc_monetary', 'C'), ('array_nulls', 'on'),
  ('xmloption', 'content'), ('quote_all_identifiers', 'off'),
  ('lc_messages', case when current_setting('is_superuser')::bool then 'C' else current_setting('lc_messages') end),
  ('client_connection_check_interval',
    case when version() ~* 'mingw|windows|visual c' or
      version() ~ '^PostgreSQL 14' and version() !~* 'linux' then '0' else '5000' end),
  ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
  ('lock_timeout', regexp_replace(current_setting('lock_timeout'), '^0$', '5min'))
) as setting (name, wanted)
where wanted is distinct from current_setting(name)`;

/** Which of the results of a begin is that of the process id, after the begin's own and the settings'. */
const SETTINGS_AT = 3;

/** The row that came with a begin. */
export type Opened = Readonly<Record<string, unknown>>;

interface Begin {
  isolation?: 'read committed' | 'repeatable read' | undefined;
  /** A select that goes with the begin. */
  opening?: string | undefined;
}

/**
 * One connection that can be interrupted at any moment: an abort cancels the running statement on the server, and
 * whatever fails leaves the connection either rolled back or closed.
 */
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
  /** Whoever was seen to hold what the transaction waited for, in words. */
  heldBy: string | undefined;
  readonly #client: pg.Client;
  readonly #target: Target;
  readonly #onAbort = (): void => void this.#cancel();
  /** What runs on the server now. */
  #running: Promise<unknown> | undefined;
  /** What runs with the next statement. */
  #soon: string[] = [];
  /** What is to be asked with the commit. */
  #lastWords: { sql: string; answer: (rows: never[]) => void }[] = [];
  #broken = false;
  /** The transaction is being rolled back: whatever of its work is still under way gets no further. */
  #leaving = false;

  private constructor(client: pg.Client, target: Target, signal: AbortSignal) {
    this.#client = client;
    this.#target = target;
    this.signal = signal;
    // A backend that is killed makes the client emit twice; without a listener the process would die.
    client.on('error', () => (this.#broken = true));
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** @throws ScaleSeedError `connect`; `interrupted` or `timeout` as the signal was aborted. */
  static async open(target: Target, signal: AbortSignal): Promise<Session> {
    try {
      signal.throwIfAborted();
      return new Session(await connect(target, signal), target, signal);
    } catch (error) {
      throw translateError(error, { phase: 'connect' });
    }
  }

  /** The connection is gone. */
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
    const statements = [...this.#soon.splice(0), sql].join(';\n');
    const results = await this.#run<unknown>(() => this.#client.query<R>(statements, values));
    return (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult<R>;
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

  /**
   * Asks in the message that commits the transaction, so that no moment lies between the answer and the commit. Resolves
   * once that is through; never, where it is not. There is no room for parameters.
   */
  async atCommit<R extends pg.QueryResultRow>(sql: string): Promise<R[]> {
    return new Promise((resolve) => this.#lastWords.push({ sql, answer: resolve }));
  }

  /** Streams chunks into `COPY ... FROM STDIN`, with back-pressure from the server to the generator. */
  async copyFrom(sql: string, chunks: AsyncIterable<Buffer>): Promise<{ rows: number }> {
    const statements = [...this.#soon.splice(0), sql].join(';\n');
    return this.#run(async () => {
      const stream = this.#client.query(copyFrom(statements));
      await pipeline(chunks, stream, { signal: this.signal });
      return { rows: stream.rowCount };
    });
  }

  /**
   * Runs `work` between begin and commit, and gives it the row that an `opening` select returned with the begin; rolls
   * back whatever it throws. A role's default of another isolation level would not see what the loader that it waited for
   * has committed.
   *
   * @throws ScaleSeedError `privilege` where triggers are switched off and may not be switched on; with a `state` when
   *   the connection is lost during the commit, so that nobody knows how it ended; otherwise what `work` threw.
   */
  async transaction<T>(
    work: (opened: Opened) => Promise<T>,
    { isolation = 'read committed', opening = '' }: Begin = {},
  ): Promise<T> {
    let committing = false;
    this.#lastWords = [];
    this.#soon = [];
    this.heldBy = undefined;
    try {
      const begin = `begin isolation level ${isolation}; ${SETTINGS}; select pg_catalog.pg_backend_pid() as pid; ${opening}`;
      const begun = await this.#run<unknown>(() => this.#client.query(begin)).catch(explainReplica);
      const answers = begun as pg.QueryResult<Opened>[];
      this.backend = Number(answers[SETTINGS_AT]?.rows[0]?.pid);
      const result = await work(answers.at(-1)?.rows[0] ?? {});
      committing = !this.signal.aborted;
      await this.#commit();
      return result;
    } catch (error) {
      this.#leaving = true;
      const isLost = committing && !isRefused(error) && !(isAnswered(error) && (await this.#isOpen()));
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
    const statements = [...this.#soon.splice(0), ...words.map(({ sql }) => sql), 'commit'];
    const answers: unknown = await this.#run(() => this.#client.query(statements.join(';\n')));
    const last = words.length === 0 ? [] : (answers as pg.QueryResult<never>[]).slice(-1 - words.length);
    for (const [i, { answer }] of words.entries()) answer(last[i]!.rows);
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
      this.busySinceMs = performance.now();
      const running = work();
      this.#running = running.catch(() => undefined);
      return await running;
    } catch (error) {
      throw translateError(signal.aborted ? signal.reason : error, { phase });
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

/** Of the settings, only that of the role in replication may be forbidden to a role. */
function explainReplica(error: unknown): never {
  if (!(error instanceof ScaleSeedError) || error.sqlState !== '42501') throw error;
  throw error.with({
    message: `triggers and foreign keys would do nothing: ${error.message}, which is not origin`,
    hint: 'take it back with `alter role ... reset session_replication_role`, or `alter database ...`; or connect as a role that may set it',
  });
}

/** Whether the server has said so: the session is at its disposal, whatever has become of the transaction. */
function isAnswered(error: unknown): boolean {
  return error instanceof ScaleSeedError && error.sqlState !== undefined;
}

/** Whether the server has refused to commit. Whoever stands between, a pooler or Citus, may have lost its answer. */
function isRefused(error: unknown): boolean {
  return error instanceof ScaleSeedError && /^(?!08|XX)/.test(error.sqlState ?? 'XX');
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
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => {
      resolve(false);
    }, GRACE_MS).unref();
  });
  const settled = promise.then(
    () => true,
    () => false,
  );
  return Promise.race([settled, late]).finally(() => {
    clearTimeout(timer);
  });
}
