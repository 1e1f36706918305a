import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';
import { quote, quoteList } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { encodeVarying, rowAtLine, type Chunk } from '../encode/encode-rows.js';
import { Fingerprint, unrepeatable } from '../encode/fingerprint.js';
import { ScaleSeedError } from '../errors.js';
import { stagingType } from '../fixtures/column-types.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { orAborted } from '../run/or-aborted.js';
import type { Step } from '../run/step.js';
import { stopwatch } from '../run/stopwatch.js';

/** Rows of a fixture, both ends included. */
export interface Range {
  first: number;
  last: number;
}

const NAME = 'scale_seed_staging';

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
  /** Number of the first row of the last copy. */
  copiedFrom = 0;
  /** Every row has been copied. */
  ended = false;

  readonly #session: Session;
  readonly #fixture: Fixture;
  readonly #range: Range;
  readonly #onCopied: (rows: number) => void;
  readonly #fingerprint: Fingerprint;
  readonly #source: AsyncGenerator<Chunk, void>;
  readonly #ahead: Chunk[] = [];
  #firstBytes: Buffer | undefined;
  #closed = false;

  private constructor(session: Session, fixture: Fixture, onCopied: (rows: number) => void, range: Range) {
    this.#session = session;
    this.#fixture = fixture;
    this.#range = range;
    this.#onCopied = onCopied;
    this.#fingerprint = new Fingerprint(fixture);
    this.#source = encodeVarying(fixture, range);
  }

  /** Makes the table; whoever opens it closes it. `onCopied` hears of every few rows that were sent. */
  static async open(
    session: Session,
    fixture: Fixture,
    onCopied: (rows: number) => void,
    range: Range = { first: 1, last: fixture.count },
  ): Promise<Staging> {
    const columns = Object.entries(fixture.columns);
    const definitions = columns.map(([name, type]) => `${quote(name)} ${stagingType(type)}`);
    await session.query(`create temp table ${quote(NAME)} (${definitions.join(', ')}) on commit drop`);
    return new Staging(session, fixture, onCopied, range);
  }

  /** Copies whole chunks until at least `wanted` rows have come, or the last; returns how many have. */
  async copy(wanted = Infinity): Promise<number> {
    const copying = stopwatch();
    const names = Object.keys(this.#fixture.columns);
    this.copiedFrom = this.#range.first + this.rows;
    const sql = `copy ${this.table} (${quoteList(names)}) from stdin (format csv)`;
    const { rows } = await this.#session.copyFrom(sql, this.#take(wanted)).catch(async (error: unknown) => {
      throw await this.#placed(error);
    });
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

  /**
   * Makes the first few rows once more. A published fixture is taken at its word.
   *
   * @throws ScaleSeedError `fixture` where they differ from those that were sent.
   */
  async refuseUnrepeatable(): Promise<void> {
    if (this.#fixture.frozenFingerprint !== undefined || this.#firstBytes === undefined) return;
    const again = encodeVarying(this.#fixture, this.#range);
    const { value } = await orAborted(again.next(), this.#session.signal);
    await again.return();
    if (value?.bytes.equals(this.#firstBytes) !== true) throw unrepeatable(this.#fixture);
  }

  /** Lets the fixture's generator end early. */
  close(): void {
    this.#closed = true;
    this.#source.return().catch(() => undefined);
  }

  /** An error with the row and the column that the server tells by the line of the copy, in whatever language it does. */
  async #placed(error: unknown): Promise<unknown> {
    if (!(error instanceof ScaleSeedError && error.cause instanceof pg.DatabaseError)) return error;
    const place = new RegExp(`^COPY ${NAME}, [^\\d,]*(\\d+)(?:, \\S+ ([^:]+?) ?:)?`, 'm').exec(
      error.cause.where ?? '',
    );
    if (place === null) return error;
    const finding = rowAtLine(this.#fixture, this.copiedFrom, Number(place[1]));
    const row = await orAborted(finding, this.#session.signal);
    return ofRow(error, this.#fixture, row, place[2]);
  }

  async *#take(wanted: number): AsyncGenerator<Buffer, void> {
    let taken = 0;
    const expected = this.#range.last - this.#range.first + 1;
    // Once all expected rows have come, only the generator can tell that no more do.
    while (taken < wanted || this.rows === expected) {
      const chunk = this.#ahead.shift() ?? (await this.#encodeNext());
      if (chunk === undefined) {
        this.ended = true;
        return;
      }
      this.#firstBytes ??= chunk.bytes;
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

/** What the server said of a value, with the row and the column that hold it. */
export function ofRow(
  error: ScaleSeedError,
  { name: fixture }: Fixture,
  row: number | undefined,
  column: string | undefined,
): ScaleSeedError {
  const place = [row && `row ${row}`, column && `column ${column}`].filter(Boolean).join(', ');
  const said = error.cause instanceof Error ? error.cause.message : error.message;
  return error.with({ fixture, message: `fixture ${fixture}: ${place}: ${said}` });
}

/** Opens a staging table, copies a step's whole fixture into it, and makes it ready to be joined. */
export async function stage({ session, fixture, enter, count }: Step): Promise<Staging> {
  enter('copy');
  const staging = await Staging.open(session, fixture, (rows) => {
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
