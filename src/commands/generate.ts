import { pipeline } from 'node:stream/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { toCsv } from '../encode/csv.js';
import { encodeWhole } from '../encode/encode-rows.js';
import { parseTimestamp } from '../fixtures/timestamp.js';
import { ScaleSeedError } from '../errors.js';
import { columnsOf, type Fixture } from '../fixtures/fixture.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { parseRows } from './parse.js';
import { fixtureFileOption, fixturesOf } from './shared-options.js';

interface GenerateFlags {
  certs?: number;
  agents?: number;
  fixture: string[];
  anchor?: bigint;
  header?: true;
}

/** `scale-seed generate`. */
export function registerGenerate(program: Command): void {
  const command = program
    .command('generate')
    .description("a fixture's rows as CSV on standard output; its columns are in `list --format json`")
    .argument('[fixture]', 'a fixture by name')
    .option('--certs <n>', 'a fleet of n certificates', parseRows)
    .option('--agents <m>', 'a fleet of m agents', parseRows)
    .addOption(fixtureFileOption())
    .option('--anchor <time>', 'the time on which all others hang, ISO 8601 (default: now)', parseAnchor)
    .option('--header', 'begin with a line of column names')
    .action(async (name: string | undefined, flags: GenerateFlags) => {
      const { fixtures } = await fixturesOf(name === undefined ? [] : [name], flags);
      const fixture = onlyOne(fixtures);
      await writeCsv(fixture, flags);
      process.exitCode = EXIT.done;
    });
  withHelp(command, [
    ['scale-seed generate 02_agent_fleet --header', 'with a header'],
    ['scale-seed generate --certs 1000000 | gzip > certs.csv.gz', 'a sized fleet'],
    ['scale-seed generate --certs 9 --anchor 2026-01-31T12:00:00Z', 'fixed times'],
  ]);
}

async function writeCsv(fixture: Fixture, { anchor, header }: GenerateFlags): Promise<void> {
  async function* csv(): AsyncGenerator<Buffer, void> {
    if (header === true) yield Buffer.from(toCsv([columnsOf(fixture).map(({ name }) => name)]));
    for await (const { bytes } of encodeWhole(fixture, anchor ?? BigInt(Date.now()) * 1000n)) yield bytes;
  }
  try {
    await pipeline(csv(), process.stdout, { end: false });
  } catch (error) {
    // What is wrong with standard output is told by whoever watches it.
    if (!(error instanceof Error && 'syscall' in error && error.syscall === 'write')) throw error;
  }
}

function onlyOne(fixtures: readonly Fixture[]): Fixture {
  const [fixture, ...others] = fixtures;
  if (fixture !== undefined && others.length === 0) return fixture;
  throw new ScaleSeedError('generate writes one fixture at a time', {
    code: 'usage',
    phase: 'configure',
    hint: 'name one: scale-seed generate 01_bulk_renewal_certs',
  });
}

function parseAnchor(text: string): bigint {
  const anchor = parseTimestamp(text);
  if (anchor === undefined) throw new InvalidArgumentError('write a time as 2026-01-31T12:00:00Z.');
  return anchor;
}
