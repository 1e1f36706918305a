import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { messageOf } from '../errors.js';
import { connectTo, isTrue, type Connection } from './connection.js';
import { embeddedError } from './directory.js';
import { SCHEMA_SQL } from './schema.js';

export const DATABASE = 'certctl';

/** Fills a fresh database with the rows that fixtures refer to. */
export type Seed = (client: { query(sql: string, values?: unknown[]): Promise<unknown> }) => Promise<void>;

const CREATION = `(hashtext('scale-seed'), hashtext('create'))`;

/** The database's comment, where it has our own tables. */
const OWN = 'tables by scale-seed';

/**
 * Makes the database if there is none, under another name until it is complete. With migrations it is certctl's
 * own, and those are run again at every start, as certctl does. One command at a time does so.
 */
export async function createDatabase(
  { client: admin, port }: Connection,
  { password, signal }: { password: string; signal: AbortSignal },
  migrations: readonly string[] | undefined,
  seed: Seed | undefined,
): Promise<void> {
  const fill = async (database: string): Promise<void> => {
    const client = await connectTo(port, password, database, signal);
    try {
      if (migrations) return await applyMigrations(client, migrations);
      await client.query(SCHEMA_SQL);
      await seed?.(client);
    } finally {
      await client.end();
    }
  };
  while (!(await isTrue(admin, `pg_try_advisory_lock${CREATION}`))) await delay(50, undefined, { signal });
  const { rows } = await admin.query<{ origin: string | null }>(
    `select shobj_description(oid, 'pg_database') as origin from pg_database where datname = '${DATABASE}'`,
  );
  if (rows[0] === undefined) {
    await admin.query(`drop database if exists unfinished with (force)`);
    await admin.query(`create database unfinished`);
    await fill('unfinished');
    if (!migrations) await admin.query(`comment on database unfinished is '${OWN}'`);
    await admin.query(`alter database unfinished rename to ${DATABASE}`);
  } else if (migrations) {
    const hint = '`scale-seed db destroy`, then run the command again; or name another --data-directory';
    if (rows[0].origin === OWN)
      throw embeddedError('its tables are scale-seed’s own, which migrations would collide with', hint);
    await fill(DATABASE);
  }
  await isTrue(admin, `pg_advisory_unlock${CREATION}`);
}

/**
 * The files that migrate a certctl database: `*.up.sql` in lexical order, then its seeds. `directory` is a checkout of
 * certctl or its folder of migrations.
 */
export async function findMigrations(directory: string): Promise<string[]> {
  for (const folder of [join(directory, 'migrations'), directory]) {
    const names = await readdir(folder).catch((): string[] => []);
    const migrations = names.filter((name) => name.endsWith('.up.sql')).sort();
    const seeds = ['seed.sql', 'seed_demo.sql'].filter((name) => names.includes(name));
    if (migrations.length > 0) return [...migrations, ...seeds].map((name) => join(folder, name));
  }
  const hint = 'give --migrations a checkout of certctl';
  throw embeddedError(`there are no *.up.sql files in ${directory}`, hint);
}

/** Runs the files as certctl-server does at every boot: each as it is, all of them again. */
async function applyMigrations(client: pg.Client, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const sql = await readFile(file, 'utf8');
    await client.query(sql).catch((error: unknown) => {
      const position = error instanceof pg.DatabaseError ? Number(error.position) : NaN;
      const line = position > 0 ? `, line ${sql.slice(0, position).split('\n').length}` : '';
      const hint = 'mend the file, then run the command again';
      throw embeddedError(`${basename(file)}${line}: ${messageOf(error)}`, hint, error);
    });
  }
}
