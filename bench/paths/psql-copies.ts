import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote, quoteList } from '../../src/postgres/quote.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import type { LoadPath, Run } from '../load-path.js';
import { notInstalled, runPsql } from '../run-process.js';
import { namesOf } from './columns.js';

/** psql's \copy of a ready file with all columns of a fixture. */
export async function copyReadyFile({ csvFile }: Run, fixture: Fixture, table: string): Promise<string> {
  return `\\copy ${table} (${quoteList(namesOf(fixture))}) from '${await csvFile(fixture)}' (format csv)`;
}

/** Scripts that are run by a psql each, side by side, as whole processes. */
function psqlPath(
  path: Omit<LoadPath, 'load' | 'prepare' | 'reference'>,
  scriptsOf: (run: Run) => Promise<string[][]>,
): LoadPath {
  let files: string[] = [];
  return {
    unavailable: () => notInstalled('psql'),
    ...path,
    reference: 'published-process',
    prepare: async (run) => {
      const scripts = await scriptsOf(run);
      files = scripts.map((_, index) => join(run.folder, `${path.name}-${index}.sql`));
      await Promise.all(files.map((file, index) => writeFile(file, scripts[index]!.join('\n'))));
    },
    load: async ({ url }) => {
      await Promise.all(files.map((file) => runPsql(url, file)));
      return undefined;
    },
  };
}

export const psqlCopy = psqlPath(
  {
    name: 'psql-copy',
    about: "psql's \\copy of a ready CSV file into temp staging, then merged: a whole process",
  },
  async (run) => {
    const script: string[] = [];
    for (const fixture of run.fixtures) {
      const columns = quoteList(namesOf(fixture));
      script.push(
        'begin;',
        `create temp table staging on commit drop as select ${columns} from ${quote(fixture.table)} limit 0;`,
        await copyReadyFile(run, fixture, 'staging'),
        `insert into ${quote(fixture.table)} (${columns}) select ${columns} from staging on conflict do nothing;`,
        'commit;',
      );
    }
    return [script];
  },
);

export const replicaCopy = psqlPath(
  {
    name: 'replica-copy',
    about: "psql's \\copy of ready files straight into the tables, no trigger and no foreign key checked",
    kind: 'floor',
    unavailable: ({ setReplicationRole }) =>
      setReplicationRole ? notInstalled('psql') : 'the role may not set session_replication_role',
  },
  async (run) => {
    const copies = run.fixtures.map((fixture) => copyReadyFile(run, fixture, quote(fixture.table)));
    const script = [
      'begin;',
      'set local session_replication_role = replica;',
      ...(await Promise.all(copies)),
    ];
    return [[...script, 'commit;']];
  },
);

export const parallelCopy = psqlPath(
  {
    name: 'parallel-copy',
    about: 'a psql a table, side by side: \\copy of a ready file straight into it',
  },
  (run) =>
    Promise.all(
      run.fixtures.map(async (fixture) => [await copyReadyFile(run, fixture, quote(fixture.table))]),
    ),
);
