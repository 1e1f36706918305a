import { readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { insistOnScram } from '../postgres/insist-on-scram.js';
import { USER } from './directory.js';

/** A connection to the directory's server; its types lack what keeps our process alive for it, or doesn't. */
export interface Connection {
  client: pg.Client & { ref: () => void; unref: () => void };
  pid: number;
  port: number;
  version: string;
  /** Whether it runs until `db stop`. */
  kept: boolean;
}

/** A setting of our own, by which a server that runs until `db stop` is known. */
export const KEPT = 'scale_seed.kept';

const SILENCE_MS = 5000;

/** Connects as the server's superuser; the signal ends the connection and what runs on it. */
export async function connectTo(port: number, password: string, database: string, signal?: AbortSignal) {
  const login = { host: '127.0.0.1', port, user: USER, password, database, ssl: false };
  const client = new pg.Client({
    ...login,
    connectionTimeoutMillis: 1500,
    application_name: 'scale-seed embedded',
  });
  client.on('error', () => undefined);
  insistOnScram(client);
  await client.connect();
  signal?.addEventListener('abort', () => {
    void client.end();
  });
  return client as Connection['client'];
}

/**
 * Connects to the directory's server, and waits for one that is on its way up or down; undefined where none runs. A process
 * that has the number in postmaster.pid proves nothing, since a file that outlived its server may name anyone: only a
 * server that knows our password and has our data directory is ours. Such a file is taken away, since PostgreSQL would not
 * start; were there a server after all, its shared memory, which hangs on the directory, would keep a second from starting.
 */
export async function findServer(
  root: string,
  password: string,
  signal?: AbortSignal,
): Promise<Connection | undefined> {
  const file = join(root, 'data', 'postmaster.pid');
  for (let heardAt = performance.now(); ; await delay(20, undefined, signal && { signal })) {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    const [pid = 0, , , port = 0] = (text ?? '').split('\n').map(Number);
    // PostgreSQL itself clears away the file of a process that has gone.
    if (text === undefined || (pid > 0 && !isAlive(pid))) return undefined;
    try {
      const found = port > 0 && (await ask(root, await connectTo(port, password, 'postgres')));
      if (found) return { ...found, pid, port };
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!['ECONNREFUSED', '28P01', '28000'].includes(code)) heardAt = performance.now();
    }
    if (performance.now() - heardAt < SILENCE_MS) continue;
    if ((await readFile(file, 'utf8').catch(() => '')) === text) await rm(file);
    return undefined;
  }
}

async function ask(root: string, client: Connection['client']) {
  const { rows } = await client.query<{ data: string; version: string; kept: boolean }>(
    `select current_setting('data_directory') as data, current_setting('server_version') as version,
            coalesce(current_setting('${KEPT}', true) = 'on', false) as kept`,
  );
  const { data, version, kept } = rows[0]!;
  if ((await realpath(data)) === (await realpath(join(root, 'data')))) return { client, version, kept };
  await client.end();
  return undefined;
}

/** What one of PostgreSQL's own functions says; rejects where the connection is lost. */
export async function isTrue(client: pg.Client, call: string): Promise<boolean> {
  const { rows } = await client.query<{ answer: boolean }>(`select ${call} as answer`);
  return rows[0]?.answer === true;
}

/** Whether a process lives; one that we may not signal does. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
