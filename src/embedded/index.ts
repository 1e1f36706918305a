import { rm } from 'node:fs/promises';
import { serverAccount } from './account.js';
import { findBinaries, type Binaries } from './binaries.js';
import { createDatabase, type Seed } from './create-database.js';
import { embeddedError } from './error.js';
import {
  filesIn,
  keepPassword,
  makeRoot,
  readMarker,
  readPassword,
  urlOf,
  writeMarker,
  type Files,
} from './files.js';
import { initialise } from './initialise.js';
import { takeLock, type Lock } from './lock.js';
import { findPostmaster, freePort, waitForExit } from './processes.js';
import { connectTo, startDetached, startSupervised, stopPostmaster, type Launch } from './server-process.js';

export interface EmbeddedOptions {
  /** Directory of the server's; by default SCALE_SEED_DATA_DIR, else one in the platform's data directory. */
  dataDirectory?: string;
  /** Port on 127.0.0.1; by default the one of last time, or one that the system gives. */
  port?: number;
  /** A checkout of certctl, or its folder of migrations, in place of our own tables. */
  migrations?: string;
  /** Settings of the server's, such as `{ fsync: 'off' }`. */
  settings?: Readonly<Record<string, string>>;
  /** The server outlives this process; by default it stops when this process ends, in whatever way. */
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
  /** False where a server that outlives its starter was running already; `stop` then leaves it alone. */
  startedHere: boolean;
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

/**
 * Starts the embedded PostgreSQL, or attaches to it where it runs: real server binaries from npm, on a loopback port
 * with a generated password, with the tables of a fleet and their parents' rows.
 *
 * @throws ScaleSeedError `embedded`.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  const { onNotice = () => undefined, signal } = options;
  const files = filesIn(options.dataDirectory);
  await makeRoot(files);
  const lock = await takeLock(files, signal, onNotice);
  let stop: (() => Promise<void>) | undefined;
  try {
    const marker = (await readMarker(files)) ?? { format: 1, port: 0, major: 0 };
    await writeMarker(files, marker);
    const password = await keepPassword(files);
    const account = await serverAccount();
    const binaries = await findBinaries(files, account);
    if (![0, binaries.major].includes(marker.major)) throw otherMajor(files, marker.major, binaries);
    const running = await attach(files, password);
    const wanted = options.port ?? marker.port;
    const port = running ?? (await freePort(wanted));
    if (running === undefined) {
      if (wanted !== 0 && port !== wanted)
        onNotice(`port ${wanted} is taken: the embedded server uses ${port}`);
      await initialise(files, binaries, account, password);
      await writeMarker(files, { ...marker, major: binaries.major });
      const { settings = {} } = options;
      stop = await launch(
        { files, account, port, password, settings, postgres: binaries.postgres },
        lock,
        options,
      );
      // Not before: a port on which it cannot start is not to be tried again.
      await writeMarker(files, { format: 1, port, major: binaries.major });
    } else if (options.port !== undefined && options.port !== running) {
      onNotice(`the embedded server runs already, on port ${running}: \`scale-seed db stop\` lets it change`);
    }
    await createDatabase({ port, password }, options.migrations, options.seed ?? (() => Promise.resolve()));
    if (stop === undefined) await lock.release();
    return {
      url: urlOf(files, port),
      password,
      version: binaries.version,
      port,
      dataDirectory: files.root,
      startedHere: running === undefined,
      stop: stop ?? (() => Promise.resolve()),
    };
  } catch (error) {
    await stop?.();
    await lock.release();
    throw error;
  }
}

/** Stops a server that outlived its starter; false where none runs. */
export async function stopEmbedded({ dataDirectory }: { dataDirectory?: string } = {}): Promise<boolean> {
  const files = filesIn(dataDirectory);
  const running = (await readMarker(files)) && (await findPostmaster(files));
  if (running !== undefined) await stopPostmaster(files, running.pid);
  return running !== undefined;
}

/** Whether the embedded server has been initialised, and whether it runs. */
export async function embeddedStatus({
  dataDirectory,
}: { dataDirectory?: string } = {}): Promise<EmbeddedStatus> {
  const files = filesIn(dataDirectory);
  const initialised = (await readMarker(files)) !== undefined;
  const running = await findPostmaster(files);
  const status = { initialised, running: running !== undefined, dataDirectory: files.root };
  if (running === undefined) return status;
  const version = await askVersion(running.port, (await readPassword(files)) ?? '').catch(() => undefined);
  return {
    ...status,
    ...running,
    url: urlOf(files, running.port),
    ...(version === undefined ? {} : { version }),
  };
}

/** Rejects while the server is on its way up or down. */
async function askVersion(port: number, password: string): Promise<string | undefined> {
  const client = await connectTo(port, password);
  try {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version;
  } finally {
    await client.end();
  }
}

/** Stops the server and removes its directory; false where there was none. */
export async function destroyEmbedded({ dataDirectory }: { dataDirectory?: string } = {}): Promise<boolean> {
  const files = filesIn(dataDirectory);
  if ((await readMarker(files)) === undefined) return false;
  await stopEmbedded({ dataDirectory: files.root });
  await rm(files.root, { recursive: true, force: true });
  return true;
}

/** Starts the server; what is returned stops it, or is undefined for one that is to outlive us. */
async function launch(
  order: Launch,
  lock: Lock,
  { keepRunning = false }: EmbeddedOptions,
): Promise<(() => Promise<void>) | undefined> {
  if (keepRunning) {
    await startDetached(order);
    return undefined;
  }
  const supervised = await startSupervised(order);
  await lock.shareWith(supervised.pid);
  return async () => {
    await supervised.stop();
    await lock.release();
  };
}

/** Port of the directory's server if it runs; one that is shutting down is waited for. */
async function attach(files: Files, password: string): Promise<number | undefined> {
  for (;;) {
    const postmaster = await findPostmaster(files);
    if (postmaster === undefined) return undefined;
    try {
      await (await connectTo(postmaster.port, password)).end();
      return postmaster.port;
    } catch (error) {
      if (await waitForExit(postmaster.pid, 500)) return undefined;
      if (!startingOrStopping(error)) {
        throw embeddedError(
          `process ${postmaster.pid} runs in ${files.data}, but does not let us in`,
          '`scale-seed db destroy`, or name another --data-directory',
          error,
        );
      }
    }
  }
}

/** SQLSTATE 57P03 is a server on its way up or down; a refused connection is one a moment earlier or later. */
function startingOrStopping(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === '57P03' || error.code === 'ECONNREFUSED')
  );
}

function otherMajor({ root }: Files, major: number, { version }: Binaries): Error {
  return embeddedError(
    `${root} was made by PostgreSQL ${major}, and this is ${version}`,
    '`scale-seed db destroy` removes it; or name another --data-directory',
  );
}
