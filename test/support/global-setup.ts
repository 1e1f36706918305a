import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/database/embedded/index.js';
import { seedParents } from '../../src/database/with-database.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the run's cluster, with its superuser and password. */
    clusterUrl: string;
  }
}

/** Name of the migrated database that every test file clones. */
export const TEMPLATE = 'certctl';

/** One cluster a run, thrown away at its end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDirectory = join(tmpdir(), `scale-seed-test-${process.pid}`);
  const server = await startEmbedded({
    dataDirectory,
    seed: seedParents,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '60' },
  });
  const url = new URL(server.url);
  url.password = server.password;
  url.search = '';
  project.provide('clusterUrl', url.href);

  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(readFileSync(new URL('dependent-tables.sql', import.meta.url), 'utf8'));
  await client.end();
  return async () => {
    await server.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  };
}
