import pg from 'pg';
import SCHEMA_SQL from '../src/embedded/schema.sql';
import { seedParents } from '../src/index.js';
import { quote } from '../src/postgres/quote.js';
import { resolveTarget } from '../src/postgres/target.js';

/** A migrated database or schema without a fixture's row in it, and a connection to it. */
interface Sandbox {
  url: string;
  schema: string;
  client: pg.Client;
  close: () => Promise<void>;
}

/** Gives a fresh sandbox for every run, in place of the last one; closing takes everything away. */
export interface Sandboxes {
  /** What each run gets. */
  kind: 'a fresh database' | 'a scratch schema of one database, whose caches all runs share';
  fresh: () => Promise<Sandbox>;
  close: () => Promise<void>;
}

/** Fresh databases, each a clone of a migrated template. */
export async function freshDatabases(serverUrl: string): Promise<Sandboxes> {
  const [template, run] = ['scale_seed_bench_template', 'scale_seed_bench'];
  const admin = await open(serverUrl);
  const drop = async (name: string): Promise<void> => {
    await admin.query(`drop database if exists ${quote(name)} with (force)`);
  };
  await drop(template);
  await admin.query(`create database ${quote(template)}`);
  await migrate(withDatabase(serverUrl, template));
  return {
    kind: 'a fresh database',
    async fresh() {
      await drop(run);
      await admin.query(`create database ${quote(run)} template ${quote(template)}`);
      const url = withDatabase(serverUrl, run);
      const client = await open(url);
      return { url, schema: 'public', client, close: () => client.end() };
    },
    async close() {
      await drop(run);
      await drop(template);
      await admin.end();
    },
  };
}

/** A scratch schema of a database, made again for every run; nothing else there is touched. */
export async function scratchSchemas(databaseUrl: string): Promise<Sandboxes> {
  const schema = 'scale_seed_bench';
  const url = new URL(databaseUrl);
  url.searchParams.set('options', `-csearch_path=${schema}`);
  const admin = await open(databaseUrl);
  const drop = async (): Promise<void> => {
    await admin.query(`drop schema if exists ${quote(schema)} cascade`);
  };
  return {
    kind: 'a scratch schema of one database, whose caches all runs share',
    async fresh() {
      await drop();
      await admin.query(`create schema ${quote(schema)}`);
      await migrate(url.href, schema);
      const client = await open(url.href);
      return { url: url.href, schema, client, close: () => client.end() };
    },
    async close() {
      await drop();
      await admin.end();
    },
  };
}

/** A URL that holds its password: other programs and libraries do not look into the file that it names. */
export function withPassword(databaseUrl: string): string {
  const password = resolveTarget(databaseUrl).servers[0]?.config.password;
  const url = new URL(databaseUrl);
  url.searchParams.delete('passfile');
  if (typeof password === 'string') url.password = encodeURIComponent(password);
  return url.href;
}

/** Makes the tables of a fleet, and the rows that fixtures refer to, in a schema that is the first of the search path. */
export async function createTables(client: pg.Client, schema: string): Promise<void> {
  await client.query(SCHEMA_SQL);
  await seedParents(client, schema);
}

async function migrate(url: string, schema = 'public'): Promise<void> {
  const client = await open(url);
  try {
    await createTables(client, schema);
  } finally {
    await client.end();
  }
}

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'scale-seed bench' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = name;
  return url.href;
}
