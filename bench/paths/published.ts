import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../../src/postgres/quote.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { insertSeries } from '../../src/judge/insert-sql.js';
import type { LoadPath } from '../load-path.js';
import { notInstalled, runPsql } from '../run-process.js';

const publishedSql = (fixture: Fixture): string => `${insertSeries(fixture, quote(fixture.table)) ?? ''};`;

/** The reference of every ratio. */
export const published: LoadPath = {
  name: 'published',
  kind: 'published',
  about: 'one INSERT ... SELECT FROM generate_series ... ON CONFLICT a fixture: no row crosses a socket',
  load: async ({ client, fixtures }) => {
    for (const fixture of fixtures) await client.query(publishedSql(fixture));
    return undefined;
  },
};

/** The same as its users run it: a process from start to exit. */
export const publishedProcess: LoadPath = {
  name: 'published-process',
  kind: 'published',
  about: 'the same, as psql -f runs it: a whole process',
  reference: 'published-process',
  unavailable: () => notInstalled('psql'),
  prepare: async ({ fixtures, folder }) => {
    await writeFile(join(folder, 'published.sql'), fixtures.map(publishedSql).join('\n'));
  },
  load: async ({ url, folder }) => {
    await runPsql(url, join(folder, 'published.sql'));
    return undefined;
  },
};
