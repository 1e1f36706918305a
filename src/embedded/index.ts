import { rm } from 'node:fs/promises';
import { messageOf, ScaleSeedError } from '../errors.js';
import { findServer, isTrue, KEPT, USER, type Connection } from './connection.js';
import { createDatabase, DATABASE, type Seed } from './database.js';
import { directoryOf, embeddedError, openDirectory, passfileIn, readPassword } from './directory.js';
import { initialise } from './initialise.js';
import { findPrograms } from './programs.js';
import { choosePort, startServer, stopServer, type Cluster } from './server.js';

export interface EmbeddedOptions {
  /** Directory of the server's; by default SCALE_SEED_DATA_DIR, else one in the user's data directory. */
  dataDirectory?: string;
  /** Port on 127.0.0.1; by default the one of last time, or one that the system gives. */
  port?: number;
  /** Settings of the server's, such as `{ fsync: 'off' }`. */
  settings?: Readonly<Record<string, string>>;
  /** Runs until `stopEmbedded`; by default it stops with its last user, or when the process that started it is killed. */
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

export interface EmbeddedStatus extends Partial<Pick<EmbeddedServer, 'url' | 'version' | 'port'>> {
  initialised: boolean;
  running: boolean;
  dataDirectory: string;
  pid?: number;
}

/** Which server, and what ends the wait for it. */
type Which = Pick<EmbeddedOptions, 'dataDirectory' | 'signal'>;

type Context = Cluster & EmbeddedOptions & { signal: AbortSignal };

/** A server that we use; `letGo` where it would end with us. */
type Place = Connection & { letGo?: () => unknown };

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
  const root = directoryOf(options.dataDirectory);
  await openDirectory(root);
  const programs = await findPrograms(root);
  const password = await initialise(root, programs, options.signal);
  const context = { ...options, root, programs, password };
  const server = await takePlace(context);
  const startedHere = server.letGo !== undefined;
  try {
    await createDatabase(server, context, options.seed);
    options.signal.throwIfAborted();
  } catch (error) {
    await leave(context, { ...server, kept: server.kept && !startedHere });
    throw error;
  }
  if (server.kept) server.letGo?.();
  server.client.unref();
  const { port, version } = server;
  let left: Promise<unknown> | undefined;
  const stop = async () => {
    await (left ??= leave(context, server));
  };
  return { url: urlOf(root, port), password, version, port, dataDirectory: root, startedHere, stop };
}

/** The server, started where it does not run, and our place at it taken. */
async function takePlace(context: Context): Promise<Place> {
  const { root, password, signal, keepRunning = false } = context;
  for (let starts = 0; ;) {
    const running = await findServer(root, password, signal);
    const server: Place | undefined = running ?? (await launch(context, ++starts === STARTS));
    if (!server) continue;
    const joined = await isTrue(server.client, `pg_try_advisory_lock_shared${IN_USE}`).catch(() => false);
    if (joined && (server.kept || !keepRunning)) return server;
    // A server that will not stay is in the way of one that shall; a killed command's is stopped here.
    if (!joined) await server.client.end();
    else if (!(await leave(context, server))) {
      const hint = 'wait for that command to end, or stop it; then `scale-seed db start` again';
      throw embeddedError(`process ${server.pid} is the server of another command, and ends with it`, hint);
    }
  }
}

/** Undefined where it is worth another try. */
async function launch(context: Context, lastTry: boolean): Promise<Place | undefined> {
  const kept = context.keepRunning ? { [KEPT]: 'on' } : {};
  try {
    const port = await choosePort(context.root, context.port, context.onNotice);
    return await startServer(context, { ...context.settings, ...kept, port: String(port) }, context.signal);
  } catch (error) {
    if (context.signal.aborted || lastTry) throw error;
    return undefined;
  }
}

/** Ends our use of the server; one that is not kept is stopped by its last user. */
async function leave({ root, password }: Context, { client, pid, kept, letGo }: Place): Promise<boolean> {
  client.ref();
  let last = false;
  try {
    last =
      !kept &&
      (await isTrue(client, `pg_advisory_unlock_shared${IN_USE}`)) &&
      (await isTrue(client, `pg_try_advisory_lock${IN_USE}`));
    if (last) await stopServer(root, password, pid);
    letGo?.();
  } catch {
    // The connection was lost: what may still run of a server that we have started ends with our process.
  }
  await client.end();
  return last;
}

/** Stops the server, whoever uses it; false where none runs. */
export async function stopEmbedded(which: Which = {}): Promise<boolean> {
  const { root, password, server } = await look(which);
  if (password && server) await stopServer(root, password, server.pid);
  return Boolean(server);
}

/** Whether the embedded server has been initialised, and whether it runs. */
export async function embeddedStatus(which: Which = {}): Promise<EmbeddedStatus> {
  const { root, password, server } = await look(which);
  const status = { initialised: Boolean(password), running: Boolean(server), dataDirectory: root };
  if (!server) return status;
  const { pid, port, version } = server;
  return { ...status, pid, port, version, url: urlOf(root, port) };
}

/** Stops the server and removes its directory; false where there was none. */
export async function destroyEmbedded(which: Which = {}): Promise<boolean> {
  await stopEmbedded(which);
  const { root, password } = await look(which);
  if (password) await rm(root, { recursive: true, force: true });
  return Boolean(password);
}

async function look({ dataDirectory, signal }: Which) {
  const root = directoryOf(dataDirectory);
  const password = await readPassword(root);
  const server = password ? await findServer(root, password, signal) : undefined;
  await server?.client.end();
  return { root, password, server };
}

/** Without the password: libpq, psql and scale-seed read it from the file that is named. */
function urlOf(root: string, port: number): string {
  const more = `passfile=${encodeURIComponent(passfileIn(root))}&sslmode=disable`;
  return `postgresql://${USER}@127.0.0.1:${port}/${DATABASE}?${more}`;
}
