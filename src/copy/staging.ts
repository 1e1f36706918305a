import { setImmediate as nextTurn } from 'node:timers/promises';
import { quote, quoteList } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { encodeVarying, type Chunk } from '../encode/encode-rows.js';
import { Fingerprint } from '../encode/fingerprint.js';
import { stagingType } from '../fixtures/column-types.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { orAborted } from '../run/or-aborted.js';
import type { Step } from '../run/step.js';
import { stopwatch } from '../run/stopwatch.js';
import { columnOf, type TableInfo } from '../table/inspect-table.js';

/** Rows of a fixture, both ends included. */
export interface Range {
  first: number;
  last: number;
}

const NAME = 'scale_seed_staging';

/** What a fixture calls a text. */
const TEXT = /^(text|varchar|character varying|char|character)(\(\d+\))?$/i;

/** Memory for what is encoded before it is asked for. */
const MAX_BYTES_AHEAD = 2 * 1024 * 1024;

/**
 * A staging table of the session's own, which goes with the transaction however that ends, and the rows on their way
 * into it, batch after batch. The server sets the pace: memory stays constant.
 */
export class Staging {
  /** The table as SQL. */
  readonly table = quote('pg_temp', NAME);
  /** Rows, and bytes of CSV, that crossed the socket so far. */
  rows = 0;
  bytes = 0;
  /** Time spent copying. */
  copyMs = 0;
  /** Every row has been copied. */
  ended = false;

  readonly #session: Session;
  readonly #fixture: Fixture;
  readonly #expected: number;
  readonly #onCopied: (rows: number) => void;
  readonly #fingerprint: Fingerprint;
  readonly #source: AsyncGenerator<Chunk, void>;
  readonly #ahead: Chunk[] = [];
  #closed = false;

  private constructor(session: Session, fixture: Fixture, onCopied: (rows: number) => void, range: Range) {
    this.#session = session;
    this.#fixture = fixture;
    this.#expected = range.last - range.first + 1;
    this.#onCopied = onCopied;
    this.#fingerprint = new Fingerprint(fixture);
    this.#source = encodeVarying(fixture, range);
  }

  /**
   * Makes the table; whoever opens it closes it. `onCopied` hears of every few rows that were sent. A key is staged in the
   * type and collation of its column, so that it is the same where the column's own unique index has it so.
   */
  static async open(
    session: Session,
    fixture: Fixture,
    table: TableInfo,
    onCopied: (rows: number) => void,
    range: Range = { first: 1, last: fixture.count },
  ): Promise<Staging> {
    const columns = Object.entries(fixture.columns);
    const definitions = columns.map(([name, type]) => {
      const { uncut, collate } = columnOf(table, name);
      const isKey = identityOf(fixture).includes(name) && TEXT.test(type);
      return `${quote(name)} ${isKey ? uncut + collate : stagingType(type)}`;
    });
    await session.query(`create temp table ${quote(NAME)} (${definitions.join(', ')}) on commit drop`);
    return new Staging(session, fixture, onCopied, range);
  }

  /** Copies whole chunks until at least `wanted` rows have come, or the last; returns how many have. */
  async copy(wanted = Infinity): Promise<number> {
    const copying = stopwatch();
    const names = Object.keys(this.#fixture.columns);
    const { rows } = await this.#session.copyFrom(
      `copy ${this.table} (${quoteList(names)}) from stdin (format csv)`,
      this.#take(wanted),
    );
    this.copyMs += copying();
    return rows;
  }

  /** Encodes rows for the next copy while the server is busy: at most `wanted`, and no more than memory allows. */
  async encodeAhead(wanted: number): Promise<void> {
    let [rows, bytes] = [0, 0];
    while (!this.#closed && rows < wanted && bytes < MAX_BYTES_AHEAD) {
      const chunk = await this.#encodeNext();
      if (chunk === undefined) return;
      this.#ahead.push(chunk);
      rows += chunk.rows;
      bytes += chunk.bytes.length;
    }
  }

  async empty(): Promise<void> {
    await this.#session.query(`truncate ${this.table}`);
  }

  /** Gives the planner what it needs to join the table: without statistics it may choose a nested loop. */
  async analyze(): Promise<void> {
    await this.#session.query(`analyze ${this.table} (${quoteList(identityOf(this.#fixture))})`);
  }

  /** Of the rows that were sent; nothing can be sent afterwards. */
  fingerprint(): string {
    return this.#fingerprint.digest();
  }

  /** Lets the fixture's generator end early. */
  close(): void {
    this.#closed = true;
    this.#source.return().catch(() => undefined);
  }

  async *#take(wanted: number): AsyncGenerator<Buffer, void> {
    let taken = 0;
    // Once all expected rows have come, only the generator can tell that no more do.
    while (taken < wanted || this.rows === this.#expected) {
      const chunk = this.#ahead.shift() ?? (await this.#encodeNext());
      if (chunk === undefined) {
        this.ended = true;
        return;
      }
      taken += chunk.rows;
      this.rows += chunk.rows;
      this.bytes += chunk.bytes.length;
      this.#fingerprint.add(chunk.bytes);
      yield chunk.bytes;
      this.#onCopied(chunk.rows);
    }
  }

  /** A generator that never waits would keep the thread to itself: lets the sessions' answers in before every chunk. */
  async #encodeNext(): Promise<Chunk | undefined> {
    await nextTurn();
    const next = await orAborted(this.#source.next(), this.#session.signal);
    return next.done === true ? undefined : next.value;
  }
}

/** Opens a staging table, copies a step's whole fixture into it, and makes it ready to be joined. */
export async function stage({ session, fixture, table, enter, count }: Step): Promise<Staging> {
  enter('copy');
  const staging = await Staging.open(session, fixture, table, (rows) => {
    count('copy', rows);
  });
  try {
    await staging.copy();
    await staging.analyze();
    return staging;
  } finally {
    staging.close();
  }
}
