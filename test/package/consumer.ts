// A program that uses the library; the test of the package type-checks and runs it where nothing else is installed.
import {
  chooseFixtures,
  defineFixture,
  load,
  manifest,
  ScaleSeedError,
  seedParents,
  type LoadReport,
  type Report,
} from 'scale-seed';

const own = defineFixture({
  name: '20_own',
  table: 'agents',
  count: 2,
  columns: { id: 'text', name: 'text' },
  conflictKeys: [['id']],
  mark: { column: 'id', prefix: 'own-' },
  *rows(first, last) {
    for (let n = first; n <= last; n++) yield [`own-${n}`, `own ${n}`];
  },
});

export async function fill(databaseUrl: string, signal: AbortSignal): Promise<LoadReport | string> {
  try {
    await seedParents({ query: (sql, values) => Promise.resolve([sql, values]) });
    return await load({ databaseUrl, signal, fixtures: [...chooseFixtures({}), own] });
  } catch (error) {
    if (error instanceof ScaleSeedError) return error.hint ?? error.code;
    throw error;
  }
}

export const rowsOf = (report: Report): string => report.command;

const { fixtures } = await manifest({ fixtures: [own], standing: false });
export const answer = fixtures.map(({ name, rows }) => `${name}: ${rows}`).join();
