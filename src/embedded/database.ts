import { setTimeout as delay } from 'node:timers/promises';
import { connectTo, isTrue, type Connection } from './connection.js';
import SCHEMA_SQL from './schema.sql';

export const DATABASE = 'certctl';

/** Fills a fresh database with the rows that fixtures refer to. */
export type Seed = (client: { query(sql: string, values?: unknown[]): Promise<unknown> }) => Promise<void>;

/** Held, in turn, by whoever makes the database. */
const CREATION = `(hashtext('scale-seed'), hashtext('create'))`;

/** Makes the database if there is none, under another name until it is complete. */
export async function createDatabase(
  { client: admin, port }: Connection,
  { password, signal }: { password: string; signal: AbortSignal },
  seed: Seed = () => Promise.resolve(),
): Promise<void> {
  const fill = async (database: string): Promise<void> => {
    const client = await connectTo(port, password, database);
    signal.addEventListener('abort', () => {
      void client.end();
    });
    try {
      signal.throwIfAborted();
      await client.query(SCHEMA_SQL);
      await seed(client);
    } finally {
      await client.end();
    }
  };
  while (!(await isTrue(admin, `pg_try_advisory_lock${CREATION}`))) await delay(50, undefined, { signal });
  const { rows } = await admin.query(`select from pg_database where datname = '${DATABASE}'`);
  if (!rows[0]) {
    await admin.query('drop database if exists unfinished with (force)');
    await admin.query('create database unfinished');
    await fill('unfinished');
    await admin.query(`alter database unfinished rename to ${DATABASE}`);
  }
  await isTrue(admin, `pg_advisory_unlock${CREATION}`);
}
