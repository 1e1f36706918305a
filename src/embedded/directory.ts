import { lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ScaleSeedError, type ErrorCode } from '../errors.js';

/** The server's superuser. */
export const USER = 'scale_seed';
export const isRoot = process.getuid?.() === 0;

/** An error of the embedded server's; with code `configuration` it is one that the caller has to mend. */
export function embeddedError(message: string, hint: string, cause?: unknown, code: ErrorCode = 'embedded') {
  return new ScaleSeedError(`embedded PostgreSQL: ${message}`, { code, phase: 'embedded', hint, cause });
}

/** The server's directory: as given, else SCALE_SEED_DATA_DIR, else one in the user's data directory. */
export function directoryOf(given = process.env.SCALE_SEED_DATA_DIR): string {
  if (given) return resolve(given);
  // Not in root's home, which the account that runs the server may not enter.
  if (isRoot) return '/var/lib/scale-seed';
  const inHome = process.platform === 'darwin' ? 'Library/Application Support' : '.local/share';
  try {
    return join(process.env.XDG_DATA_HOME || join(homedir(), inHome), 'scale-seed');
  } catch (error) {
    const hint = 'name a directory with --data-directory or SCALE_SEED_DATA_DIR, or set HOME';
    throw embeddedError('this user has no home directory', hint, error, 'configuration');
  }
}

/** A password file as libpq reads it: it comes and goes with the data that it opens. */
export const passfileIn = (root: string): string => join(root, 'data', 'passfile');

/**
 * The server's password; undefined where the directory is not there, or has no data in it yet.
 *
 * @throws ScaleSeedError `embedded` where the directory isn't ours, or is not ours alone: whoever else may write there
 *   could put a whole server of their own in our way.
 */
export async function readPassword(root: string): Promise<string | undefined> {
  const names = await readdir(root).catch((): string[] => []);
  await refuseShared(root, names.length > 0);
  const line = await readFile(passfileIn(root), 'utf8').catch(() => '');
  if (line === '' && !names.every((name) => /^(data|postgresql)[.-]/.test(name)))
    throw embeddedError(`${root} is not a directory of scale-seed's`, 'name another with --data-directory');
  return line.trim().split(':')[4];
}

async function refuseShared(root: string, used: boolean): Promise<void> {
  const [own, found] = [process.getuid?.(), await lstat(root).catch(() => undefined)];
  if (own === undefined || found === undefined) return;
  const target = await stat(root).catch(() => found);
  if (found.uid !== own || target.uid !== own) {
    const hint = `name one that is not there yet, such as ${join(root, 'scale-seed')}, with --data-directory`;
    throw embeddedError(`${root} belongs to another user`, hint);
  }
  if (used && (target.mode & 0o022) !== 0) {
    const hint = `see that nobody has put anything there, then chmod go-w ${root}`;
    throw embeddedError(`others may write to ${root}`, hint);
  }
}

/** Makes a folder: not by mkdir's `recursive`, which never comes back from a place that takes none, such as /proc. */
export async function makeFolder(folder: string, mode: number): Promise<void> {
  const exists = async () => (await stat(folder).catch(() => undefined))?.isDirectory() ?? false;
  if (await exists()) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder), mode);
  await mkdir(folder, { mode }).catch(async (error: unknown) => {
    if (!(await exists())) throw error;
  });
}
