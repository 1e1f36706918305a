import type { LoadPath } from '../load-path.js';
import { notInstalled, runProcess, withoutPassword } from '../run-process.js';
import { namesOf } from './columns.js';

const PROGRAM = 'timescaledb-parallel-copy';

/** Each worker commits batches of 5,000 rows, its default; a batch with a conflict is done again through staging. */
export const timescaledbParallelCopy: LoadPath = {
  name: PROGRAM,
  about: `${PROGRAM} of ready CSV files, 2 workers, --on-conflict-do-nothing: a whole process a table`,
  reference: 'published-process',
  unavailable: () => notInstalled(PROGRAM),
  prepare: async ({ fixtures, csvFile }) => {
    for (const fixture of fixtures) await csvFile(fixture);
  },
  load: async ({ url, schema, fixtures, csvFile }) => {
    const { shown, env } = withoutPassword(url);
    for (const fixture of fixtures) {
      const place = ['--connection', shown, '--schema', schema, '--table', fixture.table];
      const what = ['--columns', namesOf(fixture).join(','), '--file', await csvFile(fixture)];
      await runProcess(PROGRAM, [...place, ...what, '--workers', '2', '--on-conflict-do-nothing'], env);
    }
    return undefined;
  },
};
