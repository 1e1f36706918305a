import { fingerprintOf } from '../encode/fingerprint.js';
import { columnsOf } from '../fixtures/fixture.js';
import { loadFixtureFile } from '../fixtures/load-fixture-file.js';
import { SHIPPED } from '../fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../fixtures/sized.js';
import { formatCount, shortFingerprint } from '../report/units.js';
import { alignColumns } from '../show/align-columns.js';
import { defineCommand } from './define-command.js';
import { choiceOption, parseRows } from './parse.js';
import { fixtureFileOption, type FixtureFlags } from './shared-options.js';

/** `scale-seed list`. */
export const registerList = defineCommand<FixtureFlags & { format: 'text' | 'json' }>('list', {
  description: 'the fixtures: rows, table, fingerprint, what for',
  options: [
    ['--certs <n>', 'list a fleet of n certificates as well', parseRows],
    ['--agents <m>', 'list a fleet of m agents as well', parseRows],
    fixtureFileOption(),
    choiceOption('--format <format>', 'of the list', ['text', 'json']).default('text'),
  ],
  examples: [
    ['scale-seed list', 'what there is'],
    ['scale-seed list --certs 100000 --format json', 'with columns and fingerprints'],
  ],
  async run(_, flags) {
    const rows = await describeAll(flags);
    process.stdout.write(flags.format === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows));
  },
});

async function describeAll({ certs, agents, fixture: files }: FixtureFlags) {
  const fixtures = [
    ...SHIPPED,
    ...(agents === undefined ? [] : [sizedAgents(agents)]),
    ...(certs === undefined ? [] : [sizedCertificates(certs)]),
    ...(await Promise.all(files.map(loadFixtureFile))),
  ];
  return Promise.all(
    fixtures.map(async (fixture) => {
      const { name, table, count: rows, purpose } = fixture;
      const columns = columnsOf(fixture).map((column) => column.name);
      return { name, table, rows, fingerprint: await fingerprintOf(fixture), purpose, columns };
    }),
  );
}

function tableOf(fixtures: Awaited<ReturnType<typeof describeAll>>): string {
  const lines = fixtures.map(({ name, table, rows, fingerprint, purpose }) => {
    return [name, table, formatCount(rows), shortFingerprint(fingerprint), purpose];
  });
  return alignColumns([['fixture', 'table', 'rows', 'fingerprint', 'purpose'], ...lines], [2]);
}
