import { quote, quoteList } from '../database/quote.js';
import type { Session } from '../database/session.js';
import { encodeVarying } from '../encode/encode-rows.js';
import { stagingType } from '../encode/type-encoders.js';
import type { Fingerprint } from '../fixtures/fingerprint.js';
import type { Fixture } from '../fixtures/fixture.js';

/** The staging table of a session's own: it goes with the transaction, however that ends. */
export const TEMP_STAGING = quote('pg_temp', 'scale_seed_staging');

/** Creates the session's staging table with the columns that the fixture sends. */
export async function createTempStaging(session: Session, fixture: Fixture): Promise<void> {
  const columns = Object.entries(fixture.columns).map(([name, type]) => `${quote(name)} ${stagingType(type)}`);
  await session.query(`create temp table ${quote('scale_seed_staging')} (${columns.join(', ')}) on commit drop`);
}

export interface Copied {
  rows: number;
  bytes: number;
}

export interface CopyOptions {
  /** First and last row, both included. */
  first?: number;
  last?: number;
  /** Takes in every row that is sent. */
  fingerprint?: Fingerprint;
  /** Called with the rows that have been sent so far. */
  onRows?: (rows: number) => void;
}

/** Streams a fixture's rows into a staging table; memory stays constant, as the server sets the pace. */
export async function copyIntoStaging(
  session: Session,
  fixture: Fixture,
  staging: string,
  { fingerprint, onRows, ...range }: CopyOptions,
): Promise<Copied> {
  let sentRows = 0;
  let bytes = 0;
  async function* chunks(): AsyncGenerator<Buffer, void> {
    for await (const chunk of encodeVarying(fixture, range)) {
      fingerprint?.add(chunk.rows);
      yield chunk.bytes;
      sentRows += chunk.rows.length;
      bytes += chunk.bytes.length;
      onRows?.(sentRows);
    }
  }
  const { rows } = await session.copyFrom(
    `copy ${staging} (${quoteList(Object.keys(fixture.columns))}) from stdin (format csv)`,
    chunks(),
  );
  return { rows, bytes };
}
