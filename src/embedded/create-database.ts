import type pg from 'pg';
import { quote } from '../postgres/quote.js';
import { embeddedError } from './error.js';
import { DATABASE } from './files.js';
import { applyMigrations, findMigrations } from './migrations.js';
import { SCHEMA_SQL } from './schema.js';
import { connectTo } from './server-process.js';

/** Fills a fresh database with the rows that fixtures refer to. */
export type Seed = (client: { query(sql: string, values: unknown[]): Promise<unknown> }) => Promise<void>;

interface Login {
  port: number;
  password: string;
}

/** What the database's comment says of where its tables come from. */
const ORIGINS = { own: 'tables by scale-seed', migrations: 'tables by certctl migrations' } as const;

const UNFINISHED = `${DATABASE}_unfinished`;

/**
 * Makes the database if there is none, under another name until it is complete. With `migrations` it is certctl's
 * own, and those are run again at every start, as certctl does.
 */
export async function createDatabase(
  login: Login,
  migrations: string | undefined,
  seed: Seed,
): Promise<void> {
  const files = migrations === undefined ? undefined : await findMigrations(migrations);
  const admin = await connectTo(login.port, login.password);
  try {
    const { rows } = await admin.query<{ origin: string | null }>(
      `select shobj_description(oid, 'pg_database') as origin from pg_database where datname = $1`,
      [DATABASE],
    );
    if (rows[0] === undefined) await createUnfinished(admin, login, files, seed);
    else if (files !== undefined) await migrateAgain(login, files, rows[0].origin);
  } finally {
    await admin.end();
  }
}

async function createUnfinished(
  admin: pg.Client,
  login: Login,
  files: readonly string[] | undefined,
  seed: Seed,
): Promise<void> {
  const origin = files === undefined ? ORIGINS.own : ORIGINS.migrations;
  await admin.query(`drop database if exists ${quote(UNFINISHED)} with (force)`);
  await admin.query(`create database ${quote(UNFINISHED)}`);
  await onDatabase(login, UNFINISHED, async (client) => {
    if (files !== undefined) return applyMigrations(client, files);
    await client.query(SCHEMA_SQL);
    return seed(client);
  });
  await admin.query(`comment on database ${quote(UNFINISHED)} is '${origin}'`);
  await admin.query(`alter database ${quote(UNFINISHED)} rename to ${quote(DATABASE)}`);
}

async function migrateAgain(login: Login, files: readonly string[], origin: string | null): Promise<void> {
  if (origin === ORIGINS.own) {
    throw embeddedError(
      'its database has tables of scale-seed’s own, which migrations would collide with',
      '`scale-seed db destroy`, then run the command again; or name another --data-directory',
    );
  }
  await onDatabase(login, DATABASE, (client) => applyMigrations(client, files));
}

async function onDatabase(
  login: Login,
  database: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = await connectTo(login.port, login.password, database);
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
