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

/** Works in the directory, with the server's password; what the system refuses, and the end of a signal, is an error of ours. */
async function within<T>(options: EmbeddedOptions, work: (root: string, password: string) => Promise<T>) {
  // What JavaScript lets pass.
  if (!isEmbeddedOptions(options))
    throw refusal('these are no options of the embedded server', `it may have ${EMBEDDED_OPTIONS}`);
  try {
    const root = directoryOf(options.dataDirectory);
    return await work(root, await readPassword(root));
  } catch (error) {
    const { signal } = options;
    if (signal?.aborted) throw translateError(abortReason(signal.reason), { phase: 'embedded' });
    if (error instanceof ScaleSeedError || !(error instanceof Error && 'code' in error)) throw error;
    const hint = 'see that the directory is yours and has room, or name another --data-directory or --port';
    throw embeddedError(messageOf(error), hint, error);
  }
}

/**
 * Starts PostgreSQL with the tables of a fleet and their parents on a loopback port, or joins the server that is kept running.
 *
 * @throws ScaleSeedError `embedded`, or `configuration` where the caller's account has no home directory or no name.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  return within(options, async (root, known) => {
    const { keepRunning, port = 0, signal } = options;
    const password = known || (await initialise(root, signal));
    const settings = { ...options.settings, port, [OWNER]: keepRunning ? 0 : process.pid };
    const { server, lifeline } = await useServer(root, settings, signal);
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
    return { ...server, password, dataDirectory: root, startedHere: lifeline !== undefined, stop };
  });
}

/** Stops the server, whoever uses it; false where none runs. */
export async function stopEmbedded(which: Which = {}): Promise<boolean> {
  return within(which, async (root, password) => password !== '' && stopServer(root, which.signal));
}

/** Whether the embedded server has been initialised, and whether it runs. */
export async function embeddedStatus(which: Which = {}): Promise<EmbeddedStatus> {
  return within(which, async (root, password) => {
    const server = password === '' ? undefined : await findServer(root, which.signal, SILENCE_MS);
    return { initialised: password !== '', running: server !== undefined, dataDirectory: root, ...server };
  });
}

/** Stops the server and removes its directory, or empties what a link leads to or a mount point holds; false where there was none. */
export async function destroyEmbedded(which: Which = {}): Promise<boolean> {
  return within(which, async (root, password) => {
    if (password !== '') await stopServer(root, which.signal);
    const names = await readdir(root).catch(() => []);
    // The data may be a link, too.
    const data = await realpath(join(root, 'data')).catch(() => undefined);
    if (data !== undefined) await rm(data, { recursive: true });
    for (const name of names) await rm(join(root, name), { recursive: true, force: true });
    await rmdir(root).catch(() => undefined);
    return names.length > 0;
  });
}
