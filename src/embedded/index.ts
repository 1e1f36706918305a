import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, ScaleSeedError } from '../errors.js';
import { choosePort, initialise, openDirectory, startServer, stopServer } from './cluster.js';
import { findServer, isTrue, KEPT, type Connection } from './connection.js';
import { createDatabase, DATABASE, findMigrations, type Seed } from './database.js';
import { directoryOf, embeddedError, passfileIn, readPassword, USER } from './directory.js';
import { findPrograms, type Programs } from './programs.js';

export interface EmbeddedOptions {
  /** Directory of the server's; by default SCALE_SEED_DATA_DIR, else one in the platform's data directory. */
  dataDirectory?: string;
  /** Port on 127.0.0.1; by default the one of last time, or one that the system gives. */
  port?: number;
  /** A checkout of certctl, or its folder of migrations, in place of our own tables. */
  migrations?: string;
  /** Settings of the server's, such as `{ fsync: 'off' }`. */
  settings?: Readonly<Record<string, string>>;
  /** The server runs until `stopEmbedded`; by default it stops when its last user stops, or the process that started it ends. */
  keepRunning?: boolean;
  /** Fills a fresh database with the rows that fixtures refer to. */
  seed?: Seed;
  signal?: AbortSignal;
  onNotice?: (message: string) => void;
}

export interface EmbeddedServer {
  /** Without the password, which is in the file that it names; libpq and scale-seed take it as it is. */
  url: string;
  password: string;
  /** Of PostgreSQL, such as `18.4`. */
  version: string;
  port: number;
  dataDirectory: string;
  /** False where the server ran already. */
  startedHere: boolean;
  /** Ends the use of the server, which stops if it was not to be kept and nobody else uses it. */
  stop: () => Promise<void>;
}

export interface EmbeddedStatus {
  initialised: boolean;
  running: boolean;
  dataDirectory: string;
  pid?: number;
  port?: number;
  url?: string;
  version?: string;
}

/** Which server, and what ends the wait for it. */
type Which = Pick<EmbeddedOptions, 'dataDirectory' | 'signal'>;

interface Context extends EmbeddedOptions {
  root: string;
  programs: Programs;
  password: string;
  signal: AbortSignal;
}

/** Whoever uses a server that is not kept holds this lock, shared; whoever gets it alone may stop that server. */
const IN_USE = `(hashtext('scale-seed'), hashtext('in use'))`;

/** Somebody else may be starting the server, or take the port, in the same moment. */
const STARTS = 3;

/**
 * Starts the embedded PostgreSQL, or joins it where it runs: real server binaries from npm, on a loopback port
 * with a generated password, with the tables of a fleet and their parents' rows.
 *
 * @throws ScaleSeedError `embedded`, or `configuration` where the caller's account has no home directory or no name.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  const { signal = new AbortController().signal } = options;
  try {
    signal.throwIfAborted();
    return await start({ ...options, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ScaleSeedError || !(error instanceof Error && 'code' in error)) throw error;
    const hint = 'name another place with --data-directory, or a server of your own with --database-url';
    throw embeddedError(messageOf(error), hint, error);
  }
}

async function start(options: EmbeddedOptions & { signal: AbortSignal }): Promise<EmbeddedServer> {
  const migrations = options.migrations === undefined ? undefined : await findMigrations(options.migrations);
  const root = directoryOf(options.dataDirectory);
  await openDirectory(root);
  const programs = await findPrograms(root);
  const password = await initialise(root, programs, options.signal);
  const context = { ...options, root, programs, password };
  const { startedHere, ...server } = await takePlace(context);
  const watcher = startedHere ? watch(root, programs) : undefined;
  const end = async (kept: boolean): Promise<void> => {
    const last = await leave(context, { ...server, kept });
    // Where the connection was lost, it is up to the watcher.
    watcher?.end(last === undefined ? '' : '\n');
  };
  try {
    await createDatabase(server, context, migrations, options.seed);
  } catch (error) {
    await end(server.kept && !startedHere);
    throw error;
  }
  if (server.kept) watcher?.end('\n');
  server.client.unref();
  const { port, version } = server;
  let ended: Promise<void> | undefined;
  const stop = () => (ended ??= end(server.kept));
  return { url: urlOf(root, port), password, version, port, dataDirectory: root, startedHere, stop };
}

/** Stops the server, whoever uses it; false where none runs. */
export async function stopEmbedded({ dataDirectory, signal }: Which = {}): Promise<boolean> {
  const root = directoryOf(dataDirectory);
  const password = await readPassword(root);
  const running = password && (await findServer(root, password, signal));
  if (!running) return false;
  await stopServer(root, await findPrograms(root));
  return true;
}

/** Whether the embedded server has been initialised, and whether it runs. */
export async function embeddedStatus({ dataDirectory, signal }: Which = {}): Promise<EmbeddedStatus> {
  const root = directoryOf(dataDirectory);
  const password = await readPassword(root);
  const found = password && (await findServer(root, password, signal));
  const status = { initialised: password !== undefined, dataDirectory: root };
  if (!found) return { ...status, running: false };
  const { client, pid, port, version } = found;
  await client.end();
  return { ...status, running: true, pid, port, url: urlOf(root, port), version };
}

/** Stops the server and removes its directory; false where there was none. */
export async function destroyEmbedded(which: Which = {}): Promise<boolean> {
  const root = directoryOf(which.dataDirectory);
  if ((await readPassword(root)) === undefined) return false;
  await stopEmbedded(which);
  await rm(root, { recursive: true, force: true });
  return true;
}

/** Without the password: libpq, psql and scale-seed read it from the file that is named. */
function urlOf(root: string, port: number): string {
  return `postgresql://${USER}@127.0.0.1:${port}/${DATABASE}?passfile=${encodeURIComponent(passfileIn(root))}&sslmode=disable`;
}

/** The server, started where it does not run, and our place at it taken. */
async function takePlace(context: Context): Promise<Connection & { startedHere: boolean }> {
  const { root, programs, password, signal, keepRunning = false } = context;
  for (let starts = 0; ;) {
    const running = await findServer(root, password, signal);
    if (running === undefined) {
      const settings = { ...context.settings, ...(keepRunning && { [KEPT]: 'on' }) };
      const port = String(context.port ?? (await choosePort(root)));
      await startServer(root, programs, { ...settings, port }, signal).catch((error: unknown) => {
        if (signal.aborted || ++starts === STARTS) throw error;
      });
    }
    const server = running ?? (await findServer(root, password, signal));
    if (
      server === undefined ||
      !(await isTrue(server.client, `pg_try_advisory_lock_shared${IN_USE}`).catch(() => false))
    )
      continue;
    if (server.kept || !keepRunning) return { ...server, startedHere: running === undefined };
    // A server that will not stay is in the way of one that shall: a killed command's is stopped.
    if (await leave(context, server)) continue;
    const hint = 'wait for that command to end, or stop it; then `scale-seed db start` again';
    throw embeddedError(`process ${server.pid} is the server of another command, and ends with it`, hint);
  }
}

/** Ends our use of the server; one that is not kept is stopped by its last user. Undefined where the connection is lost. */
async function leave(
  { root, programs }: Context,
  { client, kept }: Connection,
): Promise<boolean | undefined> {
  client.ref();
  const isLast = async (): Promise<boolean> =>
    (await isTrue(client, `pg_advisory_unlock_shared${IN_USE}`)) &&
    isTrue(client, `pg_try_advisory_lock${IN_USE}`);
  const last = !kept && (await isLast().catch(() => undefined));
  if (last) await stopServer(root, programs);
  await client.end();
  return last;
}

/** Stops the server when our process ends, in whatever way, before it has written a line. */
function watch(root: string, { bin, as }: Programs) {
  const command = [
    '-c',
    'read -r _ || exec "$0" stop -D "$1" -m fast',
    join(bin, 'pg_ctl'),
    join(root, 'data'),
  ];
  const watcher = spawn('/bin/sh', command, { ...as, detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  for (const handle of [watcher, watcher.stdin as unknown as { unref: () => void }]) handle.unref();
  watcher.on('error', () => undefined);
  watcher.stdin.on('error', () => undefined);
  return watcher.stdin;
}
