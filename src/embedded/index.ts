import { readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, refusal, ScaleSeedError } from '../errors.js';
import { translateError } from '../postgres/translate-error.js';
import { createDatabase, findServer, OWNER, stopServer, type FoundServer } from './connection.js';
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

type Which = Pick<EmbeddedOptions, 'dataDirectory' | 'signal'>;

/**
 * Starts PostgreSQL with the tables of a fleet and their parents on a loopback port, or joins the server that is kept running.
 *
 * @throws ScaleSeedError `embedded`, or `configuration` where the caller's account has no home directory or no name.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  check(options);
  try {
    return await start(options);
  } catch (error) {
    const { signal } = options;
    if (signal?.aborted === true) throw translateError(signal.reason, { phase: 'embedded' });
    return refuse(
      error,
      'name another --data-directory or --port, or a server of your own with --database-url',
    );
  }
}

/** What the system refuses is an error of ours. */
function refuse(error: unknown, hint: string): never {
  if (error instanceof ScaleSeedError || !(error instanceof Error && 'code' in error)) throw error;
  throw embeddedError(messageOf(error), hint, error);
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
    if (lifeline?.writable) await stopServer(root, server.pid);
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

/** Stops the server, whoever uses it; false where none runs. */
export async function stopEmbedded(which: Which = {}): Promise<boolean> {
  const { dataDirectory, pid } = await embeddedStatus(which);
  if (pid) await stopServer(dataDirectory, pid, which.signal);
  return pid !== undefined;
}

/** Whether the embedded server has been initialised, and whether it runs. */
export async function embeddedStatus(which: Which = {}): Promise<EmbeddedStatus> {
  check(which);
  const { dataDirectory, signal } = which;
  const root = directoryOf(dataDirectory);
  const initialised = (await readPassword(root)) !== undefined;
  const server = initialised ? await findServer(root, signal) : undefined;
  return { initialised, running: server !== undefined, dataDirectory: root, ...server };
}

/** Stops the server and removes its directory, or what a link leads to or a mount point holds; false where there was none. */
export async function destroyEmbedded(which: Which = {}): Promise<boolean> {
  await stopEmbedded(which);
  const { dataDirectory, initialised } = await embeddedStatus(which);
  const hint = `its server is stopped: remove ${dataDirectory} yourself`;
  if (initialised) await remove(dataDirectory).catch((error: unknown) => refuse(error, hint));
  return initialised;
}

async function remove(root: string): Promise<void> {
  for (const name of await readdir(root)) await rm(join(root, name), { recursive: true });
  await rmdir(await realpath(root)).catch(() => undefined);
}
