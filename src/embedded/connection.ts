import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasState, type ScaleSeedError } from '../errors.js';
import { Session } from '../postgres/session.js';
import { resolveTarget } from '../postgres/target.js';
import { seedParents } from '../postgres/seed-parents.js';
import { nowMs } from '../report/clock.js';
import { embeddedError, passfileIn, USER } from './directory.js';
import SCHEMA_SQL from './schema.sql';

const DATABASE = 'certctl';
/** A setting of our own. */
export const OWNER = 'scale_seed.owner';

const PROOF = `select current_setting('server_version') as version,
  coalesce(current_setting('${OWNER}', true), '0')::int as owner where current_setting('data_directory') = $1`;

/** How long no PostgreSQL answers before a postmaster.pid is taken for one that outlived its server. */
const SILENCE_MS = 3000;

/** A running server that was found to use this data directory. */
export interface FoundServer {
  /** Without the password, which is in the file that it names; libpq and scale-seed take it as it is. */
  url: string;
  /** Of PostgreSQL, such as `18.4`. */
  version: string;
  port: number;
  pid: number;
  /** The process that it ends with; 0 where it runs until it is stopped. */
  owner: number;
}

/** For libpq, psql and scale-seed, which read the password from the file that it names. */
function urlOf(root: string, port: number, database: string): string {
  const more = `passfile=${encodeURIComponent(passfileIn(root))}&sslmode=disable`;
  return `postgresql://${USER}@127.0.0.1:${port}/${database}?${more}`;
}

/** Works at such a URL; whoever has taken the server's port learns nothing of the password. */
async function connect<T>(url: string, work: (session: Session) => Promise<T>, signal?: AbortSignal) {
  const target = resolveTarget(`${url}&require_auth=scram-sha-256`, {});
  const session = await Session.open(target, signal ?? new AbortController().signal);
  return work(session).finally(() => session.close());
}

const folderOf = (pid: number, otherwise: string) => readlink(`/proc/${pid}/cwd`).catch(() => otherwise);

/** Finds the server, which proves that it is the directory's; waits for one that is on its way up or down. */
export async function findServer(root: string, signal?: AbortSignal): Promise<FoundServer | undefined> {
  const data = await realpath(join(root, 'data'));
  const file = join(data, 'postmaster.pid');
  const read = () => readFile(file, 'utf8').catch(() => undefined);
  for (let heardAt = nowMs(); ;) {
    const text = await read();
    const [pid = 0, , , port = 0] = (text ?? '').split('\n').map((line) => Number.parseInt(line) || 0);
    // PostgreSQL itself clears away the file of a process that has gone, or is another user's.
    if (text === undefined || !sendSignal(pid, 0)) return undefined;
    try {
      const ask = (session: Session) => session.query<Pick<FoundServer, 'version' | 'owner'>>(PROOF, [data]);
      const { rows } = await connect(urlOf(root, port, 'postgres'), ask, signal);
      if (rows[0]) return { ...rows[0], port, pid, url: urlOf(root, port, DATABASE) };
    } catch (error) {
      const { sqlState, message } = error as ScaleSeedError;
      // On its way up or down.
      if (hasState(error, /^57P0[1-3]/)) heardAt = nowMs();
      // What refuses us, or hangs, may be the directory's own, as Linux tells: its file is not to go while it lives.
      else if ((sqlState ?? /timeout/.exec(message)) && (await folderOf(pid, data)) === data)
        throw embeddedError(`process ${pid} refuses us: ${message}`, `see ${root}/server.log`, error);
    }
    // PostgreSQL would not start: whoever lives under that number, it is no server of ours.
    if (nowMs() - heardAt > SILENCE_MS && (await read()) === text) await rm(file);
    await delay(20, undefined, { signal });
  }
}

/** Stops a server, which rolls back what runs in it, and waits until it has gone. */
export async function stopServer(root: string, pid: number, signal?: AbortSignal): Promise<void> {
  sendSignal(pid, 'SIGINT');
  while ((await findServer(root, signal))?.pid === pid) await delay(10, undefined, { signal });
}

/** False where the process has gone or is another user's; 0 only looks. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Makes the database where there is none, under another name until it is complete; others wait, and find it made. */
export async function createDatabase(root: string, port: number, signal?: AbortSignal) {
  const fill = (session: Session) => session.query(SCHEMA_SQL).then(() => seedParents(session));
  const create = async (admin: Session): Promise<void> => {
    await admin.query(`select pg_advisory_lock(hashtext('scale-seed'), hashtext('create'))`);
    const { rowCount } = await admin.query(`select from pg_database where datname = '${DATABASE}'`);
    if (rowCount) return;
    await admin.query('drop database if exists unfinished with (force)');
    await admin.query('create database unfinished');
    await connect(urlOf(root, port, 'unfinished'), fill, signal);
    await admin.query(`alter database unfinished rename to ${DATABASE}`);
  };
  await connect(urlOf(root, port, 'postgres'), create, signal);
}
