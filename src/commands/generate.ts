import { pipeline } from 'node:stream/promises';
import { InvalidArgumentError } from 'commander';
import { toCsv } from '../encode/csv.js';
import { encodeWhole } from '../encode/encode-rows.js';
import { refusal } from '../errors.js';
import { columnsOf } from '../fixtures/fixture.js';
import { parseTimestamp } from '../fixtures/timestamp.js';
import { defineCommand } from './define-command.js';
import { fixtureFileOption, fixturesOf, SIZE_OPTIONS, type FixtureFlags } from './shared-options.js';

interface GenerateFlags extends FixtureFlags {
  anchor?: bigint;
  header?: true;
}

/** `scale-seed generate`. */
export const registerGenerate = defineCommand<GenerateFlags>('generate', {
  description: "a fixture's rows as CSV on standard output; its columns are in `list --format json`",
  argument: ['[fixture]', 'a fixture by name'],
  options: [
    ...SIZE_OPTIONS,
    fixtureFileOption(),
    ['--anchor <time>', 'the time on which all others hang, ISO 8601 (default: now)', parseAnchor],
    ['--header', 'begin with a line of column names'],
  ],
  examples: [
    ['scale-seed generate 02_agent_fleet --header', 'with a header'],
    ['scale-seed generate --certs 1000000 | gzip > certs.csv.gz', 'a sized fleet'],
    ['scale-seed generate --certs 9 --anchor 2026-01-31T12:00:00Z', 'fixed times'],
  ],
  async run(names, flags) {
    try {
      await pipeline(csvOf(names, flags), process.stdout, { end: false });
    } catch (error) {
      // What is wrong with standard output is told by whoever watches it.
      if (!(error instanceof Error && 'syscall' in error && error.syscall === 'write')) throw error;
    }
  },
});

async function* csvOf(names: readonly string[], flags: GenerateFlags): AsyncGenerator<Buffer, void> {
  const { anchor = BigInt(Date.now()) * 1000n, header } = flags;
  const [fixture, ...others] = (await fixturesOf(names, flags)).fixtures;
  if (fixture === undefined || others.length > 0)
    throw refusal(
      'generate writes one fixture at a time',
      'name one: scale-seed generate 01_bulk_renewal_certs',
    );
  if (header === true) yield Buffer.from(toCsv([columnsOf(fixture).map(({ name }) => name)]));
  for await (const { bytes } of encodeWhole(fixture, anchor)) yield bytes;
}

function parseAnchor(text: string): bigint {
  const anchor = parseTimestamp(text);
  if (anchor === undefined) throw new InvalidArgumentError('write a time as 2026-01-31T12:00:00Z.');
  return anchor;
}
