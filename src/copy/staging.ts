import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';
import { quote, quoteList } from '../postgres/quote.js';
import { encodeVarying, rowAtLine, type Chunk } from '../encode/encode-rows.js';
import { Fingerprint, thawed, unrepeatable } from '../encode/fingerprint.js';
import { hasState, ScaleSeedError } from '../errors.js';
import { stagingType } from '../fixtures/column-types.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { orAborted } from '../run/or-aborted.js';
import type { Step } from '../run/step.js';
import { stopwatch } from '../report/clock.js';
import { columnOf } from '../table/inspect-table.js';

const NAME = 'scale_seed_staging';

/** What ends a copy at some row and has nothing to do with it: limits, cancellation, a lost session. */
const OF_THE_SERVER = /^(08|25|40|53|54|55|57|58|XX)/;

/** Memory for what is encoded before it is asked for. */
const MAX_BYTES_AHEAD = 2 * 1024 * 1024;

/** A temporary staging table, which goes with the transaction, and the rows on their way, at the pace of the server. */
export class Staging {
  /** The table as SQL. */
  readonly table = quote('pg_temp', NAME);
  /** Rows, and bytes of CSV, that crossed the socket so far. */
  rows = 0;
  bytes = 0;
  copyMs = 0;
  /** Number of the first row of the last copy. */
  copiedFrom = 0;
  ended = false;

  readonly #step: Step;
  readonly #first: number;
  readonly #fingerprint: Fingerprint;
  readonly #source: AsyncGenerator<Chunk, void>;
  readonly #ahead: Chunk[] = [];
  #firstBytes: Buffer | undefined;
  #closed = false;

  private constructor(step: Step, first: number) {
    this.#step = step;
    this.#first = first;
    this.#fingerprint = new Fingerprint(step.fixture);
    this.#source = encodeVarying(step.fixture, first);
  }

  /**
   * Makes the table for the rows of a step's fixture from the `first` on; whoever opens it closes it. A key is staged in the
   * type and collation of its column, so that it is the same where the column's own unique index has it so.
   */
  static open(step: Step, first = 1): Staging {
    const { session, fixture, table } = step;
    const definitions = Object.entries(fixture.columns).map(([name, type]) => {
      const { uncut, collate } = columnOf(table, name);
      return `${quote(name)} ${identityOf(fixture).includes(name) ? uncut + collate : stagingType(type)}`;
    });
    session.soon(`create temp table ${quote(NAME)} (${definitions.join(', ')}) on commit drop`);
    return new Staging(step, first);
  }

  /** Copies whole chunks until at least `wanted` rows have come, or the last. */
  async copy(wanted = Infinity): Promise<void> {
    const copying = stopwatch();
    const { session, fixture } = this.#step;
    this.copiedFrom = this.#first + this.rows;
    const sql = `copy ${this.table} (${quoteList(Object.keys(fixture.columns))}) from stdin (format csv)`;
    await session.copyFrom(sql, this.#take(wanted)).catch(async (error: unknown) => {
      throw await this.#placed(error);
    });
    this.copyMs += copying();
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

  /** Has the next copy empty the table first, in one message. */
  empty(): void {
    this.#step.session.soon(`truncate ${this.table}`);
  }

  /** Of the rows that were sent; nothing can be sent afterwards. */
  fingerprint(): string {
    return this.#fingerprint.digest();
  }

  /** Makes the first few rows once more. A published fixture is taken at its word. */
  async refuseUnrepeatable(): Promise<void> {
    if (this.#step.fixture.frozenFingerprint !== undefined || this.#firstBytes === undefined) return;
    const again = encodeVarying(this.#step.fixture, this.#first);
    const { value } = await orAborted(again.next(), this.#step.session.signal);
    void again.return().catch(() => undefined);
    if (value?.bytes.equals(this.#firstBytes) !== true) throw unrepeatable(this.#step.fixture);
  }

  /** Where all rows were sent, they must be those that the fixture was frozen with. */
  #refuseThawed(): void {
    const { fixture } = this.#step;
    if (fixture.frozenFingerprint === undefined || this.rows < fixture.count) return;
    if (this.fingerprint() !== fixture.frozenFingerprint) throw thawed(fixture, this.fingerprint());
  }

  /** Lets the fixture's generator end early. */
  close(): void {
    this.#closed = true;
    this.#source.return().catch(() => undefined);
  }

  /** An error with the row and the column that the server tells by the line of the copy, in whatever language it does. */
  async #placed(error: unknown): Promise<unknown> {
    if (!(error instanceof ScaleSeedError && error.cause instanceof pg.DatabaseError)) return error;
    if (hasState(error, OF_THE_SERVER)) return error;
    const place = new RegExp(`^COPY ${NAME}, [^\\d,]*(\\d+)(?:, \\S+ ([^:]+?) ?:)?`, 'm').exec(
      error.cause.where ?? '',
    );
    if (place === null) return error;
    const finding = rowAtLine(this.#step.fixture, this.copiedFrom, Number(place[1]));
    const row = await orAborted(finding, this.#step.session.signal);
    return ofRow(error, this.#step.fixture, row, place[2]);
  }

  async *#take(wanted: number): AsyncGenerator<Buffer, void> {
    let taken = 0;
    const expected = this.#step.fixture.count - this.#first + 1;
    // Once all expected rows have come, only the generator can tell that no more do.
    while (taken < wanted || this.rows === expected) {
      const chunk = this.#ahead.shift() ?? (await this.#encodeNext());
      if (chunk === undefined) {
        this.ended = true;
        this.#refuseThawed();
        return;
      }
      this.#firstBytes ??= chunk.bytes;
      taken += chunk.rows;
      this.rows += chunk.rows;
      this.bytes += chunk.bytes.length;
      yield chunk.bytes;
      this.#step.count('copy', chunk.rows);
    }
  }

  /** A generator that never waits would keep the thread to itself: lets the sessions' answers in before every chunk. */
  async #encodeNext(): Promise<Chunk | undefined> {
    await nextTurn();
    const next = await orAborted(this.#source.next(), this.#step.session.signal);
    if (next.done === true) return undefined;
    this.#fingerprint.add(next.value.bytes);
    return next.value;
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
export async function stage(step: Step): Promise<Staging> {
  step.enter('copy');
  const staging = Staging.open(step);
  try {
    await staging.copy();
    // Without statistics the planner may choose a nested loop.
    await step.session.query(`analyze ${staging.table} (${quoteList(identityOf(step.fixture))})`);
    return staging;
  } finally {
    staging.close();
  }
}
