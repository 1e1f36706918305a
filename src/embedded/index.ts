import { readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { abortReason, messageOf, refusal, ScaleSeedError } from '../errors.js';
import { translateError } from '../postgres/translate-error.js';
import { createDatabase, findServer, OWNER, SILENCE_MS, stopServer, type FoundServer } from './connection.js';
import { directoryOf, embeddedError, readPassword } from './directory.js';
import { EMBEDDED_OPTIONS, isEmbeddedOptions, type EmbeddedOptions } from './options.js';
import { initialise } from './programs.js';
import { useServer } from './server.js';

export interface EmbeddedServer extends FoundServer {
  password: string;
  dataDirectory: string;
  /** False where the server ran already. */
  startedHere: boolean;
  /** Stops the server, unless it was to be kept, or ran already. */
  stop: () => Promise<void>;
}

export interface EmbeddedStatus extends Partial<FoundServer> {
  initialised: boolean;
  running: boolean;
  dataDirectory: string;
}

export { directoryOf };

type Which = Pick<EmbeddedOptions, 'dataDirectory' | 'signal'>;

/**
 * Starts PostgreSQL with the tables of a fleet and their parents on a loopback port, or joins the server that is kept running.
 *
 * @throws ScaleSeedError `embedded`, or `configuration` where the caller's account has no home directory or no name.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  check(options);
  const hint = 'name another --data-directory or --port, or a server of your own with --database-url';
  return asOurs(options, hint, () => start(options));
}

/** What the system refuses, and the end of a signal, is an error of ours. */
async function asOurs<T>({ signal }: Which, hint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted === true) throw translateError(abortReason(signal.reason), { phase: 'embedded' });
    if (error instanceof ScaleSeedError || !(error instanceof Error && 'code' in error)) throw error;
    throw embeddedError(messageOf(error), hint, error);
  }
}

/** What JavaScript lets pass. */
function check(options: unknown): void {
  if (!isEmbeddedOptions(options))
    throw refusal('these are no options of the embedded server', `it may have ${EMBEDDED_OPTIONS}`);
}

async function start({ keepRunning = false, signal, ...options }: EmbeddedOptions) {
  const root = directoryOf(options.dataDirectory);
  const programs = await initialise(root, signal);
  const own = { port: options.port ?? 0, [OWNER]: keepRunning ? 0 : process.pid };
  const { server, lifeline } = await useServer(root, programs, { ...options.settings, ...own }, signal);
  const stop = async (): Promise<void> => {
    if (lifeline?.writable) await stopServer(root, undefined, server.pid);
  };
  try {
    await createDatabase(root, server.port, signal);
    signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  }
  if (keepRunning) lifeline?.end('\n');
  const password = (await readPassword(root)) ?? '';
  return { ...server, password, dataDirectory: root, startedHere: lifeline !== undefined, stop };
}

const ACCESS_HINT = 'see that its files are yours and the disk has room';

/** Stops the server, whoever uses it; false where none runs. */
export async function stopEmbedded(which: Which = {}): Promise<boolean> {
  check(which);
  const root = directoryOf(which.dataDirectory);
  const isThere = (await readPassword(root)) !== undefined;
  return isThere && asOurs(which, ACCESS_HINT, () => stopServer(root, which.signal));
}

/** Whether the embedded server has been initialised, and whether it runs. */
export async function embeddedStatus(which: Which = {}): Promise<EmbeddedStatus> {
  check(which);
  const root = directoryOf(which.dataDirectory);
  const initialised = (await readPassword(root)) !== undefined;
  const look = () => findServer(root, which.signal, SILENCE_MS);
  const server = initialised ? await asOurs(which, ACCESS_HINT, look) : undefined;
  return { initialised, running: server !== undefined, dataDirectory: root, ...server };
}

/** Stops the server and removes its directory, or empties what a link leads to or a mount point holds; false where there was none. */
export async function destroyEmbedded(which: Which = {}): Promise<boolean> {
  await stopEmbedded(which);
  const root = directoryOf(which.dataDirectory);
  const names = await readdir(root).catch(() => []);
  const hint = `its server is stopped: remove ${root} yourself`;
  if (names.length > 0) await asOurs(which, hint, () => remove(root, names));
  return names.length > 0;
}

async function remove(root: string, names: readonly string[]): Promise<void> {
  // That may be a link, too.
  const data = await realpath(join(root, 'data')).catch(() => undefined);
  if (data !== undefined) await rm(data, { recursive: true });
  for (const name of names) await rm(join(root, name), { recursive: true, force: true });
  await rmdir(root).catch(() => undefined);
}
