import { readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { insistOnScram } from '../postgres/insist-on-scram.js';

/** A connection to the directory's server; its types lack what keeps our process alive for it, or doesn't. */
export interface Connection {
  client: pg.Client & { ref: () => void; unref: () => void };
  pid: number;
  port: number;
  version: string;
  /** Whether it runs until `db stop`. */
  kept: boolean;
}

/** The server's superuser. */
export const USER = 'scale_seed';

/** A setting of our own, by which a server that runs until `db stop` is known. */
export const KEPT = 'scale_seed.kept';

/** How long nobody answers before a postmaster.pid is taken for one that outlived its server. */
const SILENCE_MS = 3000;

/** Connects as the server's superuser. */
export async function connectTo(port: number, password: string, database: string) {
  const login = { host: '127.0.0.1', port, user: USER, password, database, ssl: false };
  const client = new pg.Client({
    ...login,
    connectionTimeoutMillis: 1500,
    application_name: 'scale-seed embedded',
  });
  client.on('error', () => undefined);
  insistOnScram(client);
  await client.connect();
  return client as Connection['client'];
}

/**
 * Connects to the directory's server, and waits for one that is on its way up or down; undefined where none runs. A process
 * that has the number in postmaster.pid proves nothing, since a file that outlived its server may name anyone: only a
 * server that knows our password and has our data directory is ours. Such a file is taken away, since PostgreSQL would not
 * start; were there a server after all, its shared memory, which hangs on the directory, would keep a second from starting.
 */
export async function findServer(root: string, password: string, signal?: AbortSignal) {
  const file = join(root, 'data', 'postmaster.pid');
  const read = () => readFile(file, 'utf8').catch(() => undefined);
  for (let heardAt = performance.now(); ;) {
    const text = await read();
    if (text === undefined) return undefined;
    const [pid = 0, , , port = 0] = text.split('\n').map((line) => Number.parseInt(line) || 0);
    try {
      process.kill(pid, 0);
      const client = await connectTo(port, password, 'postgres');
      const { rows } = await client.query<Pick<Connection, 'version' | 'kept'>>(
        `select current_setting('server_version') as version, current_setting('${KEPT}', true) is not distinct from 'on' as kept
         where current_setting('data_directory') = $1`,
        [await realpath(join(root, 'data'))],
      );
      if (rows[0]) return { client, pid, port, ...rows[0] };
      await client.end();
    } catch (error) {
      const { code = '' } = error as { code?: string };
      // PostgreSQL itself clears away the file of a process that has gone, or is another user's.
      if (code === 'ESRCH' || code === 'EPERM') return undefined;
      if (!['ECONNREFUSED', '28P01', '28000'].includes(code)) heardAt = performance.now();
    }
    if (performance.now() - heardAt > SILENCE_MS && (await read()) === text) await rm(file);
    await delay(20, undefined, signal && { signal });
  }
}

/** What one of PostgreSQL's own functions says. */
export async function isTrue(client: pg.Client, call: string): Promise<boolean> {
  const { rows } = await client.query<{ answer: boolean }>(`select ${call} as answer`);
  return rows[0]?.answer === true;
}
