import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../../src/postgres/quote.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import type { LoadPath, Run } from '../load-path.js';
import { notInstalled, runPsql } from '../run-process.js';
import { copyReadyFile } from './psql-copies.js';

/** Writes a psql script that loads each fixture's ready CSV file into a bare copy of its table. */
async function writeScript(
  run: Run,
  create: string,
  after: (fixture: Fixture) => Promise<string[]>,
): Promise<void> {
  const script: string[] = ['begin;'];
  for (const fixture of run.fixtures) {
    script.push(
      `create ${create} bare_${fixture.table} (like ${quote(fixture.table)} including defaults);`,
      await copyReadyFile(run, fixture, `bare_${fixture.table}`),
      ...(await after(fixture)),
    );
  }
  await writeFile(join(run.folder, 'floor.sql'), [...script, 'commit;'].join('\n'));
}

const load: LoadPath['load'] = async ({ url, folder }) => {
  await runPsql(url, join(folder, 'floor.sql'));
  return undefined;
};

export const unloggedFloor: LoadPath = {
  name: 'floor-unlogged',
  about: "psql's \\copy of a ready file into an unlogged table without any index",
  kind: 'floor',
  reference: 'published-process',
  unavailable: () => notInstalled('psql'),
  prepare: (run) => writeScript(run, 'unlogged table', () => Promise.resolve([])),
  load,
};

export const offlineFloor: LoadPath = {
  name: 'floor-offline',
  about: "psql's \\copy of a ready file into a bare table, then all of its indexes built",
  kind: 'floor',
  reference: 'published-process',
  unavailable: () => notInstalled('psql'),
  prepare: (run) =>
    writeScript(run, 'table', async ({ table }) => {
      const { rows } = await run.client.query<{ indexname: string; indexdef: string }>(
        `select indexname, indexdef from pg_indexes where tablename = $1 and schemaname = current_schema()`,
        [table],
      );
      return rows.map(
        ({ indexname, indexdef }) =>
          `${indexdef.replace(indexname, `bare_${indexname}`).replace(/ ON (\S+\.)?(\S+) /, ` ON bare_${table} `)};`,
      );
    }),
  load,
};
