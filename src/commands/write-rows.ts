import { pipeline } from 'node:stream/promises';
import { toCsv } from '../encode/csv.js';
import { encodeWhole } from '../encode/encode-rows.js';
import { refusal } from '../errors.js';
import { columnsOf } from '../fixtures/fixture.js';
import { fixturesOf } from './chosen-fixtures.js';
import type { FixtureFlags } from './shared-options.js';

export interface GenerateFlags extends FixtureFlags {
  anchor?: bigint;
  header?: true;
}

/** Writes the rows of the one fixture that is chosen to standard output, as CSV. */
export async function writeRows(names: readonly string[], flags: GenerateFlags): Promise<void> {
  try {
    await pipeline(csvOf(names, flags), process.stdout, { end: false });
  } catch (error) {
    // What is wrong with standard output is told by whoever watches it.
    if (!(error instanceof Error && 'syscall' in error && error.syscall === 'write')) throw error;
  }
}

async function* csvOf(names: readonly string[], flags: GenerateFlags): AsyncGenerator<Buffer, void> {
  const { anchor = BigInt(Date.now()) * 1000n, header } = flags;
  const [fixture, ...others] = (await fixturesOf(names, flags)).fixtures;
  if (fixture === undefined)
    throw refusal('no fixture is chosen: there are no rows to write', 'name a fixture, or a size above 0');
  if (others.length > 0)
    throw refusal(
      'generate writes one fixture at a time',
      'name one: scale-seed generate 01_bulk_renewal_certs',
    );
  if (header === true) yield Buffer.from(toCsv([columnsOf(fixture).map(({ name }) => name)]));
  for await (const { bytes } of encodeWhole(fixture, anchor)) yield bytes;
}
