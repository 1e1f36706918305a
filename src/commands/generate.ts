import { InvalidArgumentError } from 'commander';
import { parseTimestamp } from '../fixtures/timestamp.js';
import { defineCommand } from './define-command.js';
import { fixtureFileOption, SIZE_OPTIONS } from './shared-options.js';
import type { GenerateFlags } from './write-rows.js';

export const registerGenerate = defineCommand<GenerateFlags>('generate', {
  description: "a fixture's rows as CSV on standard output; its columns are in `list --format json`",
  argument: ['[fixture]', 'a fixture by name'],
  options: [
    ...SIZE_OPTIONS,
    fixtureFileOption(),
    ['--anchor <time>', 'time to which all others are relative, ISO 8601 (default: now)', parseAnchor],
    ['--header', 'begin with a line of column names'],
  ],
  examples: [
    ['scale-seed generate 02_agent_fleet --header', 'with a header'],
    ['scale-seed generate --certs 1000000 | gzip > certs.csv.gz', 'a sized fleet'],
    ['scale-seed generate --certs 9 --anchor 2026-01-31T12:00:00Z', 'fixed times'],
  ],
  async run(names, flags) {
    const { writeRows } = await import('./on-fixtures.js');
    await writeRows(names, flags);
  },
});

function parseAnchor(text: string): bigint {
  const anchor = parseTimestamp(text);
  if (anchor === undefined)
    throw new InvalidArgumentError('write a time of the years 2 to 9997 as 2026-01-31T12:00:00Z.');
  return anchor;
}
