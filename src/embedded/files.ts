import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { messageOf } from '../errors.js';
import { embeddedError } from './error.js';

/** Where everything of the embedded server's lies. */
export interface Files {
  root: string;
  /** PGDATA. */
  data: string;
  /** Says that the directory is ours, and remembers the port. */
  marker: string;
  /** A password file as libpq reads it. */
  passfile: string;
  log: string;
  lock: string;
}

/** What is remembered between starts. */
export interface Marker {
  format: 1;
  port: number;
  /** Of PostgreSQL; 0 until its programs have been found. */
  major: number;
}

export const USER = 'scale_seed';
export const DATABASE = 'certctl';

/** Whether this process is root, which PostgreSQL refuses to run as. */
export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * The server's directory: as given, else SCALE_SEED_DATA_DIR, else the platform's data directory; root's lies outside
 * its home, which the account that runs the server may not enter.
 */
export function filesIn(dataDirectory: string | undefined): Files {
  const given = dataDirectory ?? (process.env.SCALE_SEED_DATA_DIR || undefined);
  const root = given === undefined ? defaultRoot() : resolve(given);
  return {
    root,
    data: join(root, 'data'),
    marker: join(root, 'scale-seed.json'),
    passfile: join(root, 'passfile'),
    log: join(root, 'server.log'),
    lock: join(root, 'lock'),
  };
}

function defaultRoot(): string {
  if (isRoot()) return '/var/lib/scale-seed';
  if (homedir() === '')
    throw embeddedError('there is no home directory', 'name a place with --data-directory');
  return envPaths('scale-seed', { suffix: '' }).data;
}

/**
 * What the directory's marker says; undefined where there is no such directory yet, or an empty one.
 *
 * @throws ScaleSeedError `embedded` where the directory isn't ours, or is not ours alone: whoever else may write there
 *   could put a password, a link or a whole server of their own in our way.
 */
export async function readMarker(files: Files): Promise<Marker | undefined> {
  const entries = (await readdir(files.root).catch((): string[] => [])).filter(
    (name) => !UNFINISHED.test(name),
  );
  await refuseForeign(files, entries.length === 0);
  if (entries.length === 0) return undefined;
  try {
    return JSON.parse(await readFile(files.marker, 'utf8')) as Marker;
  } catch (error) {
    throw embeddedError(
      `${files.root} is not a directory of scale-seed's: ${messageOf(error)}`,
      'name an empty directory, or none, with --data-directory',
    );
  }
}

/** What a first start leaves behind when it is killed before it has written the marker. */
const UNFINISHED = /^(lock|scale-seed\.json\.new)/;

async function refuseForeign({ root }: Files, empty: boolean): Promise<void> {
  const [own, found] = [process.getuid?.(), await lstat(root).catch(() => undefined)];
  if (own === undefined || found === undefined) return;
  const target = found.isSymbolicLink() ? await stat(root) : found;
  if (found.uid !== own || target.uid !== own) {
    throw embeddedError(
      `${root} belongs to another user`,
      `name a directory that is not there yet, such as ${join(root, 'scale-seed')}, with --data-directory`,
    );
  }
  if (!empty && (target.mode & 0o022) !== 0) {
    throw embeddedError(
      `others may write to ${root}`,
      `see that nobody has put anything there, then chmod go-w ${root}`,
    );
  }
}

/** Makes the directory, or closes an empty one that is there to others. */
export async function makeRoot(files: Files): Promise<void> {
  // The account that runs root's server has to pass through; nothing in the directory is readable to it but its own.
  const mode = isRoot() ? 0o711 : 0o700;
  try {
    await makeFolder(files.root, mode);
  } catch (error) {
    throw embeddedError(
      `its directory cannot be made: ${messageOf(error)}`,
      'name another place with --data-directory, or a server of your own with --database-url',
      error,
    );
  }
  if ((await readMarker(files)) === undefined) await chmod(files.root, mode);
}

/** Not by mkdir's `recursive`, which never comes back from a place that takes no folders, such as /proc. */
async function makeFolder(folder: string, mode: number): Promise<void> {
  const isFolder = async (path: string): Promise<boolean> =>
    (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (await isFolder(folder)) return;
  if (!(await isFolder(dirname(folder)))) await makeFolder(dirname(folder), mode);
  await mkdir(folder, { mode }).catch(async (error: unknown) => {
    // Another process may have been quicker.
    if (!(await isFolder(folder))) throw error;
  });
}

/** Needs the lock: a reader finds the old marker or the new one. */
export async function writeMarker(files: Files, marker: Marker): Promise<void> {
  await writePrivate(files.marker, `${JSON.stringify(marker)}\n`);
}

/** The server's password, a new one where there is none; its file is readable to its owner alone. Needs the lock. */
export async function keepPassword(files: Files): Promise<string> {
  const password = (await readPassword(files)) ?? randomBytes(24).toString('base64url');
  await writePrivate(files.passfile, `127.0.0.1:*:*:${USER}:${password}\n`);
  return password;
}

export async function readPassword(files: Files): Promise<string | undefined> {
  const line = await readFile(files.passfile, 'utf8').catch(() => '');
  return line.trim().split(':')[4];
}

/** Puts a file that its owner alone can read in place of whatever is there, be it a link or open to others. */
export async function writePrivate(file: string, text: string): Promise<void> {
  const unfinished = `${file}.new`;
  await rm(unfinished, { force: true });
  await writeFile(unfinished, text, { flag: 'wx', mode: 0o600 });
  await rename(unfinished, file);
}

/** A URL without the password: libpq, psql and scale-seed read it from the file that is named. */
export function urlOf(files: Files, port: number): string {
  return `postgresql://${USER}@127.0.0.1:${port}/${DATABASE}?passfile=${encodeURIComponent(files.passfile)}&sslmode=disable`;
}
