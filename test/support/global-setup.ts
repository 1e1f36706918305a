import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/embedded/index.js';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { seedParents } from '../../src/postgres/seed-parents.js';
import { startPooler } from './pgbouncer.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the run's server, with its superuser and password. */
    serverUrl: string;
    /** Port of a PgBouncer before it, through which scale-seed is to go; 0 for none. */
    poolerPort: number;
  }
}

/** Name of the migrated database that every test file clones. */
export const TEMPLATE = 'scale_seed_template';

/**
 * One server a run: that of SCALE_SEED_TEST_URL (a superuser's), else an embedded one that is thrown away at the end. Its
 * programs are those that SCALE_SEED_POSTGRES_DIR names, which is how other versions are tested. SCALE_SEED_TEST_POOLER
 * puts a PgBouncer in transaction mode before the server.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.SCALE_SEED_TEST_URL;
  const { url, stop } =
    given === undefined ? await startOwn() : { url: given, stop: () => Promise.resolve() };
  await createTemplate(url);
  project.provide('serverUrl', url);
  const pooler = process.env.SCALE_SEED_TEST_POOLER ? await startPooler(url, 10) : undefined;
  project.provide('poolerPort', pooler?.port ?? 0);
  return async () => {
    await pooler?.stop();
    await execute(url, 'postgres', `drop database if exists ${TEMPLATE} with (force)`);
    await stop();
  };
}

async function startOwn(): Promise<{ url: string; stop: () => Promise<void> }> {
  const dataDirectory = join(tmpdir(), `scale-seed-test-${process.pid}`);
  const server = await startEmbedded({
    dataDirectory,
    settings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      max_connections: '60',
      wal_level: 'logical',
    },
  });
  process.stdout.write(`The tests' server is PostgreSQL ${server.version}\n`);
  const url = new URL(server.url);
  url.password = server.password;
  url.search = '';
  await execute(url.href, 'postgres', `alter role current_user password '${quickVerifier(server.password)}'`);
  return {
    url: url.href,
    stop: async () => {
      await server.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** The same password, hashed once and not 4096 times: tests log in thousands of times. */
function quickVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, 1, 32, 'sha256');
  const keyOf = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest();
  const [text, stored, own] = [salt, storedKey, keyOf('Server Key')].map((part) => part.toString('base64'));
  return `SCRAM-SHA-256$1:${text!}$${stored!}:${own!}`;
}

async function createTemplate(url: string): Promise<void> {
  await execute(url, 'postgres', `drop database if exists ${TEMPLATE} with (force)`);
  await execute(url, 'postgres', `create database ${TEMPLATE}`);
  await execute(url, TEMPLATE, SCHEMA_SQL, seedParents);
  await execute(url, TEMPLATE, readFileSync(new URL('dependent-tables.sql', import.meta.url), 'utf8'));
}

async function execute(
  url: string,
  database: string,
  sql: string,
  more?: (client: pg.ClientBase) => Promise<void>,
): Promise<void> {
  const own = new URL(url);
  own.pathname = database;
  const client = new pg.Client({ connectionString: own.href });
  await client.connect();
  try {
    await client.query(sql);
    await more?.(client);
  } finally {
    await client.end();
  }
}
