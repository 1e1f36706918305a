import type { Command } from 'commander';
import { fingerprintOf } from '../encode/fingerprint.js';
import { loadFixtureFile } from '../fixtures/load-fixture-file.js';
import { SHIPPED } from '../fixtures/registry.js';
import { columnsOf } from '../fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../fixtures/sized.js';
import { alignColumns } from '../show/align-columns.js';
import { formatCount, shortFingerprint } from '../report/units.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { choiceOption, parseRows } from './parse.js';
import { fixtureFileOption } from './shared-options.js';

interface ListFlags {
  certs?: number;
  agents?: number;
  fixture: string[];
  format: 'text' | 'json';
}

/** `scale-seed list`. */
export function registerList(program: Command): void {
  const command = program
    .command('list')
    .description('the fixtures: rows, table, fingerprint, what for')
    .option('--certs <n>', 'list a fleet of n certificates as well', parseRows)
    .option('--agents <m>', 'list a fleet of m agents as well', parseRows)
    .addOption(fixtureFileOption())
    .addOption(choiceOption('--format <format>', 'of the list', ['text', 'json']).default('text'))
    .action(async (flags: ListFlags) => {
      const rows = await describeAll(flags);
      process.stdout.write(flags.format === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : table(rows));
      process.exitCode = EXIT.done;
    });
  withHelp(command, [
    ['scale-seed list', 'what there is'],
    ['scale-seed list --certs 100000 --format json', 'with columns and fingerprints'],
  ]);
}

type Description = Awaited<ReturnType<typeof describeAll>>[0];

async function describeAll({ certs, agents, fixture: files }: ListFlags) {
  const fixtures = [
    ...SHIPPED,
    ...(agents === undefined ? [] : [sizedAgents(agents)]),
    ...(certs === undefined ? [] : [sizedCertificates(certs)]),
    ...(await Promise.all(files.map(loadFixtureFile))),
  ];
  return Promise.all(
    fixtures.map(async (fixture) => ({
      name: fixture.name,
      table: fixture.table,
      rows: fixture.count,
      fingerprint: await fingerprintOf(fixture),
      purpose: fixture.purpose,
      columns: columnsOf(fixture).map(({ name }) => name),
    })),
  );
}

function table(rows: readonly Description[]): string {
  const cells = rows.map(({ name, table: target, rows: count, fingerprint, purpose }) => [
    name,
    target,
    formatCount(count),
    shortFingerprint(fingerprint),
    purpose,
  ]);
  return alignColumns([['fixture', 'table', 'rows', 'fingerprint', 'purpose'], ...cells], [2]);
}
