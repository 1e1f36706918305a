import { readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasState, messageOf } from '../errors.js';
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
export const SILENCE_MS = 3000;
/** How long a server may take to shut down, as in pg_ctl. */
const SHUTDOWN_MS = 60_000;

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

/** What postmaster.pid names, unless that has gone; `works` where it is at work in the data directory, if the system tells. */
async function readProcess(data: string) {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => undefined);
  const [pid = 0, , , port = 0] = (text ?? '').split('\n').map((line) => Number.parseInt(line) || 0);
  // PostgreSQL itself clears away the file of a process that has gone, or is another user's.
  if (text === undefined || !sendSignal(pid, 0)) return undefined;
  // Not by their names: a directory may have several, or another since.
  const identity = (folder: string) => stat(folder).then(({ dev, ino }) => `${dev} ${ino}`);
  const its = await identity(`/proc/${pid}/cwd`).catch(() => undefined);
  return { text, pid, port, works: its && its === (await identity(data)) };
}

/** The directory's server, as it has to prove; waits for one on its way up, and `shutdownMs` for one on its way down. */
export async function findServer(root: string, signal?: AbortSignal, shutdownMs = SHUTDOWN_MS) {
  const data = await realpath(join(root, 'data'));
  const ask = (session: Session) => session.first<Pick<FoundServer, 'version' | 'owner'>>(PROOF, [data]);
  const startedAt = nowMs();
  let heardAt = startedAt;
  for (;;) {
    const found = await readProcess(data);
    if (found === undefined) return undefined;
    const { text, pid, port } = found;
    let { works } = found;
    let problem = 'the server there is that of another directory';
    try {
      const answer = await connect(urlOf(root, port, 'postgres'), ask, signal);
      if (answer) return { ...answer, port, pid, url: urlOf(root, port, DATABASE) } satisfies FoundServer;
    } catch (error) {
      problem = messageOf(error);
      const isTooLong = problem.includes('shutting down') && nowMs() - startedAt > shutdownMs;
      if (hasState(error, /^57P0[1-3]/) && !isTooLong) heardAt = nowMs();
      // What refuses us, or hangs, may be the directory's own.
      works ??= hasState(error, /^/) || problem.includes('timeout');
    }
    if (nowMs() - heardAt > SILENCE_MS) {
      const hint = found.works ? '`scale-seed db stop` stops it' : `see ${root}/server.log`;
      if (works) throw embeddedError(`process ${pid} is the server, and cannot be reached: ${problem}`, hint);
      // PostgreSQL would not start: whoever lives under that number, it is no server of ours.
      if ((await readProcess(data))?.text === text) await rm(join(data, 'postmaster.pid'));
    }
    await delay(20, undefined, { signal });
  }
}

/** Stops the server, or only the one of that number, and at once where it takes too long; false where there is none. */
export async function stopServer(root: string, signal?: AbortSignal, only?: number): Promise<boolean> {
  const data = await realpath(join(root, 'data'));
  const found = await readProcess(data);
  // Where the system does not tell, it has to prove that it is ours.
  const isOurs = found?.works ?? (found && (await findServer(root, signal)));
  if (!found || !isOurs || found.pid !== (only ?? found.pid)) return false;
  const since = nowMs();
  while ((await readProcess(data))?.pid === found.pid) {
    sendSignal(found.pid, nowMs() - since < SHUTDOWN_MS ? 'SIGINT' : 'SIGQUIT');
    await delay(10, undefined, { signal });
  }
  return true;
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
export async function createDatabase(root: string, port: number, signal?: AbortSignal): Promise<void> {
  const fill = (session: Session) => session.query(SCHEMA_SQL).then(() => seedParents(session));
  const create = async (admin: Session): Promise<void> => {
    await admin.query(`select pg_advisory_lock(hashtext('scale-seed'), hashtext('create'))`);
    if ((await admin.count(`from pg_database where datname = '${DATABASE}'`)) > 0) return;
    await admin.query('drop database if exists unfinished with (force)');
    await admin.query('create database unfinished');
    await connect(urlOf(root, port, 'unfinished'), fill, signal);
    await admin.query(`alter database unfinished rename to ${DATABASE}`);
  };
  await connect(urlOf(root, port, 'postgres'), create, signal);
}
