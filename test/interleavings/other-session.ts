import pg from 'pg';
import type { Action } from './actions.js';
import type { Ending, Isolation } from './moments.js';
import type { Connection } from './place.js';

/** Errors that an action may meet where another session was quicker. */
const EXPECTED = /^(23|40|55P03|57014|3F000|42P01|42704|2BP01)/;

/** The session that acts while a statement of the command is held. */
export class OtherSession {
  readonly pid: Promise<number>;
  /** Transactions of its own. */
  readonly xids: string[] = [];
  /** Between these times its changes became visible, where they did. */
  commitSentMs = Infinity;
  committedMs = Infinity;
  committed = false;
  /** It has done what it is to do, and is to end what it has left open. */
  acted = false;
  ended = false;
  /** What it failed with. */
  failure: pg.DatabaseError | undefined;
  readonly #connection: Connection;
  readonly #action: Action;
  readonly #how: { ending: Ending; isolation: Isolation };

  constructor(connection: Connection, action: Action, how: { ending: Ending; isolation: Isolation }) {
    this.#connection = connection;
    this.#action = action;
    this.#how = how;
    this.pid = connection.query<{ pid: number }>('select pg_backend_pid() as pid').then(([row]) => row!.pid);
  }

  get deadlocked(): boolean {
    return this.failure?.code === '40P01';
  }

  /** It failed with what it should never meet. */
  get upset(): boolean {
    return this.failure !== undefined && !EXPECTED.test(this.failure.code ?? '');
  }

  /** Acts; where it ends at once, commits too. Resolves when that is done, which may have to wait for the command. */
  async act(): Promise<void> {
    const { sql, alone } = this.#action;
    await this.#attempt(async () => {
      if (alone === true) {
        this.commitSentMs = performance.now();
        await this.#connection.query(sql);
        this.committedMs = performance.now();
        this.committed = true;
        return;
      }
      await this.#connection.query(`begin isolation level ${this.#how.isolation}`);
      await this.#connection.query(sql);
      if (this.#how.ending === 'committed at once') await this.#commit();
    });
    this.acted = true;
  }

  /** Ends what was left open, as the ending says. */
  async end(): Promise<void> {
    if (this.#action.alone !== true && this.#how.ending !== 'committed at once') {
      await this.#attempt(async () => {
        if (this.#action.later !== undefined) await this.#connection.query(this.#action.later);
        if (this.#how.ending === 'committed later') await this.#commit();
      });
      await this.#connection.query('rollback');
    }
    this.ended = true;
  }

  async #commit(): Promise<void> {
    const [row] = await this.#connection.query<{ xid: string | null }>(
      'select pg_current_xact_id_if_assigned()::xid::text as xid',
    );
    if (row?.xid != null) this.xids.push(row.xid);
    this.commitSentMs = performance.now();
    await this.#connection.query('commit');
    this.committedMs = performance.now();
    this.committed = true;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    if (this.failure !== undefined) return;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      this.failure = error;
      await this.#connection.query('rollback');
    }
  }
}
