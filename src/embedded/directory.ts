import { chmod, lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ScaleSeedError, type ErrorCode } from '../errors.js';

export const isRoot = process.getuid?.() === 0;

/** An error of the embedded server's; with code `configuration` it is one that the caller has to mend. */
export function embeddedError(message: string, hint: string, cause?: unknown, code: ErrorCode = 'embedded') {
  return new ScaleSeedError(`embedded PostgreSQL: ${message}`, { code, phase: 'embedded', hint, cause });
}

/** The server's directory: as given, else SCALE_SEED_DATA_DIR, else one in the user's data directory. */
export function directoryOf(given = process.env.SCALE_SEED_DATA_DIR): string {
  if (given) return resolve(given);
  // Not in root's home, which the account that runs the server may not enter.
  if (isRoot) return '/var/lib/scale-seed/postgres';
  const inHome = process.platform === 'darwin' ? 'Library/Application Support' : '.local/share';
  try {
    return join(process.env.XDG_DATA_HOME || join(homedir(), inHome), 'scale-seed', 'postgres');
  } catch (error) {
    const hint = 'name a directory with --data-directory or SCALE_SEED_DATA_DIR, or set HOME';
    throw embeddedError('this user has no home directory', hint, error, 'configuration');
  }
}

/** A password file as libpq reads it: it comes and goes with the data that it opens. */
export const passfileIn = (root: string): string => join(root, 'data', 'passfile');

/**
 * The server's password; undefined where the directory has no data yet.
 *
 * @throws ScaleSeedError `embedded` where the directory isn't ours alone: who else may write there could put a server in it.
 */
export async function readPassword(root: string): Promise<string | undefined> {
  const names = await readdir(root).catch((): string[] => []);
  const found = await Promise.all([lstat(root), stat(root)]).catch(() => []);
  if (process.getuid && found.some(({ uid }) => uid !== process.getuid?.()))
    throw embeddedError(
      `${root} belongs to another user`,
      'name another, or a new one in it, with --data-directory',
    );
  if (
    process.getuid &&
    names.length > 0 &&
    found.some((entry) => !entry.isSymbolicLink() && entry.mode & 0o022)
  )
    throw embeddedError(`others may write to ${root}`, `see that nobody has, then chmod go-w ${root}`);
  const line = await readFile(passfileIn(root), 'utf8').catch(() => '');
  if (line === '' && !names.every((name) => /^(data\.|postgresql|server\.log)/.test(name)))
    throw embeddedError(`${root} is not a directory of scale-seed's`, 'name another with --data-directory');
  return line.trim().split(':')[4];
}

/** Makes the server's directory; closes one that is there, and empty, to others. */
export async function openDirectory(root: string): Promise<void> {
  // The account that runs root's server has to pass through.
  const mode = isRoot ? 0o711 : 0o700;
  await makeFolder(root, mode);
  if ((await readPassword(root)) === undefined) await chmod(root, mode);
}

/** Not by mkdir's `recursive`, which never comes back from a place that takes no folders, such as /proc. */
async function makeFolder(folder: string, mode: number): Promise<void> {
  const exists = async () => (await stat(folder).catch(() => undefined))?.isDirectory() === true;
  if (await exists()) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder), mode);
  await mkdir(folder, { mode }).catch(async (error: unknown) => {
    // Another command may have been quicker.
    if (!(await exists())) throw error;
  });
}
