import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadPath } from '../load-path.js';
import { notInstalled, runProcess } from '../run-process.js';
import { namesOf } from './columns.js';

export const pgloader: LoadPath = {
  name: 'pgloader',
  about: 'pgloader of a ready CSV file straight into the target: a whole process',
  reference: 'published-process',
  unavailable: () => notInstalled('pgloader'),
  prepare: async ({ url, schema, fixtures, csvFile, folder }) => {
    for (const fixture of fixtures) {
      const columns = namesOf(fixture).join(', ');
      await writeFile(
        join(folder, `${fixture.name}.load`),
        `load csv from '${await csvFile(fixture)}' (${columns}) into ${url.replace(/\?.*$/, '')}
         target table ${schema}.${fixture.table} (${columns})
         with fields terminated by ',', fields optionally enclosed by '"', fields escaped by double-quote;`,
      );
    }
  },
  load: async ({ fixtures, folder }) => {
    for (const fixture of fixtures) {
      await runProcess('pgloader', ['--on-error-stop', join(folder, `${fixture.name}.load`)]);
    }
    return undefined;
  },
};
