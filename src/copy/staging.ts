import { setImmediate as nextTurn } from 'node:timers/promises';
import { quote, quoteList } from '../database/quote.js';
import type { Session } from '../database/session.js';
import { encodeVarying } from '../encode/encode-rows.js';
import { stagingType } from '../encode/type-encoders.js';
import type { OnEvent } from '../events.js';
import { Fingerprint } from '../encode/fingerprint.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';

/** A staging table that holds a fixture's rows. */
export interface Staged {
  /** The table as SQL. */
  table: string;
  rows: number;
  /** Bytes of CSV that crossed the socket. */
  bytes: number;
  /** Of the rows that were sent. */
  fingerprint: string;
}

/** Rows of a fixture, both ends included. */
export interface Range {
  first: number;
  last: number;
}

const NAME = 'scale_seed_staging';

/**
 * Streams a fixture into a staging table of the session's own, which goes with the transaction however that ends.
 * Memory stays constant, as the server sets the pace.
 *
 * Generating, encoding, sending and COPY's parsing overlap; copying and merging follow each other. With only the columns
 * that vary on the wire, copying is 6 % of a load (100,000 certificates: 52 of 873 ms), and the ways to overlap it with
 * the merge gained nothing: batches encoded ahead while one is merged, 866 ms; staging tables filled by a second
 * session while the first merges, 863 ms.
 */
export async function stage(
  session: Session,
  fixture: Fixture,
  onEvent: OnEvent,
  { first, last }: Range = { first: 1, last: fixture.count },
): Promise<Staged> {
  const columns = Object.entries(fixture.columns);
  const table = quote('pg_temp', NAME);
  const definitions = columns.map(([name, type]) => `${quote(name)} ${stagingType(type)}`);
  await session.query(`create temp table ${quote(NAME)} (${definitions.join(', ')}) on commit drop`);

  const fingerprint = new Fingerprint(fixture);
  let sentRows = 0;
  let bytes = 0;
  async function* chunks(): AsyncGenerator<Buffer, void> {
    for await (const chunk of encodeVarying(fixture, { first, last })) {
      fingerprint.add(chunk.bytes);
      yield chunk.bytes;
      // A socket that takes every chunk would keep the thread to itself: let the other sessions' answers in.
      await nextTurn();
      sentRows += chunk.rows.length;
      bytes += chunk.bytes.length;
      onEvent({
        type: 'progress',
        fixture: fixture.name,
        phase: 'copy',
        rows: sentRows,
        totalRows: last - first + 1,
      });
    }
  }
  const names = columns.map(([name]) => name);
  const { rows } = await session.copyFrom(
    `copy ${table} (${quoteList(names)}) from stdin (format csv)`,
    chunks(),
  );
  return { table, rows, bytes, fingerprint: fingerprint.digest() };
}

/** Gives the planner what it needs to join the staging table: without statistics it may choose a nested loop. */
export async function analyzeStaged(session: Session, { table }: Staged, fixture: Fixture): Promise<void> {
  await session.query(`analyze ${table} (${quoteList(identityOf(fixture))})`);
}
