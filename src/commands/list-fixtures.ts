import { fingerprintOf } from '../encode/fingerprint.js';
import { columnsOf } from '../fixtures/fixture.js';
import { refuseTwins, SHIPPED } from '../fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../fixtures/sized.js';
import { formatCount, shortFingerprint } from '../report/units.js';
import { alignColumns } from '../show/align-columns.js';
import { ownFixtures } from './chosen-fixtures.js';
import type { FixtureFlags } from './shared-options.js';

export type ListFlags = FixtureFlags & { format: 'text' | 'json' };

/** The shipped fixtures and those of the flags, as a table or as JSON. */
export async function listFixtures(flags: ListFlags): Promise<string> {
  const rows = await describeAll(flags);
  return flags.format === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows);
}

async function describeAll({ certs, agents, fixture: files }: FixtureFlags) {
  const own = await ownFixtures(files);
  refuseTwins(own);
  const fixtures = [
    ...SHIPPED,
    ...(!agents ? [] : [sizedAgents(agents)]),
    ...(!certs ? [] : [sizedCertificates(certs)]),
    ...own,
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
