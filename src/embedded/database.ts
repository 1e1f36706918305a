import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { messageOf } from '../errors.js';
import { connectTo, isTrue, type Connection } from './connection.js';
import { embeddedError } from './directory.js';
import { SCHEMA_SQL } from './schema.js';

export const DATABASE = 'certctl';

/** Fills a fresh database with the rows that fixtures refer to. */
export type Seed = (client: { query(sql: string, values?: unknown[]): Promise<unknown> }) => Promise<void>;

/** Held, in turn, by whoever makes or migrates the database. */
const CREATION = `(hashtext('scale-seed'), hashtext('create'))`;

/**
 * Makes the database if there is none, under another name until it is complete. With migrations it is certctl's
 * own, and those are run again at every start, as certctl does.
 */
export async function createDatabase(
  { client: admin, port }: Connection,
  { password, signal }: { password: string; signal: AbortSignal },
  migrations: readonly string[] | undefined,
  seed: Seed = () => Promise.resolve(),
): Promise<void> {
  const fill = async (database: string): Promise<void> => {
    const client = await connectTo(port, password, database);
    signal.addEventListener('abort', () => {
      void client.end();
    });
    try {
      signal.throwIfAborted();
      await (migrations ? migrate(client, migrations) : client.query(SCHEMA_SQL).then(() => seed(client)));
    } finally {
      await client.end();
    }
  };
  while (!(await isTrue(admin, `pg_try_advisory_lock${CREATION}`))) await delay(50, undefined, { signal });
  // A comment says which database has tables of our own.
  const { rows } = await admin.query<{ own: boolean }>(
    `select shobj_description(oid, 'pg_database') is not null as own from pg_database where datname = '${DATABASE}'`,
  );
  if (rows[0]?.own && migrations) {
    const hint = '`scale-seed db destroy`, then run the command again; or name another --data-directory';
    throw embeddedError('its tables are scale-seed’s own, which migrations would collide with', hint);
  }
  if (rows[0] && migrations) await fill(DATABASE);
  if (!rows[0]) {
    await admin.query('drop database if exists unfinished with (force)');
    await admin.query('create database unfinished');
    await fill('unfinished');
    if (!migrations) await admin.query(`comment on database unfinished is 'tables by scale-seed'`);
    await admin.query(`alter database unfinished rename to ${DATABASE}`);
  }
  await isTrue(admin, `pg_advisory_unlock${CREATION}`);
}

/** The files that migrate a certctl database, in a checkout of certctl or its folder of migrations. */
export async function findMigrations(directory: string): Promise<string[]> {
  for (const folder of [join(directory, 'migrations'), directory]) {
    const names = await readdir(folder).catch((): string[] => []);
    const migrations = names.filter((name) => name.endsWith('.up.sql')).sort();
    const seeds = ['seed.sql', 'seed_demo.sql'].filter((name) => names.includes(name));
    if (migrations.length > 0) return [...migrations, ...seeds].map((name) => join(folder, name));
  }
  throw embeddedError(
    `there are no *.up.sql files in ${directory}`,
    'give --migrations a checkout of certctl',
  );
}

/** Runs the files as certctl-server does at every boot: each as it is, all of them again. */
async function migrate(client: pg.Client, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const sql = await readFile(file, 'utf8');
    await client.query(sql).catch((error: unknown) => {
      const { position } = error as pg.DatabaseError;
      const line = position ? `, line ${sql.slice(0, Number(position)).split('\n').length}` : '';
      const message = `${basename(file)}${line}: ${messageOf(error)}`;
      throw embeddedError(message, 'mend the file, then run the command again', error);
    });
  }
}
