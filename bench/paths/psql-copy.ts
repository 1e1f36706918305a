import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote, quoteList } from '../../src/postgres/quote.js';
import type { LoadPath } from '../load-path.js';
import { notInstalled, runPsql } from '../run-process.js';
import { namesOf } from './columns.js';

export const psqlCopy: LoadPath = {
  name: 'psql-copy',
  about: "psql's \\copy of a ready CSV file into temp staging, then merged: a whole process",
  reference: 'published-process',
  unavailable: () => notInstalled('psql'),
  prepare: async ({ fixtures, csvFile, folder }) => {
    const script: string[] = [];
    for (const fixture of fixtures) {
      const columns = quoteList(namesOf(fixture));
      script.push(
        'begin;',
        `create temp table staging on commit drop as select ${columns} from ${quote(fixture.table)} limit 0;`,
        `\\copy staging (${columns}) from '${await csvFile(fixture)}' (format csv)`,
        `insert into ${quote(fixture.table)} (${columns}) select ${columns} from staging on conflict do nothing;`,
        'commit;',
      );
    }
    await writeFile(join(folder, 'copy.sql'), script.join('\n'));
  },
  load: async ({ url, folder }) => {
    await runPsql(url, join(folder, 'copy.sql'));
    return undefined;
  },
};
