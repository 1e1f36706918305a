import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { ScaleSeedError, type ErrorCode } from '../errors.js';
import { findPassword } from '../postgres/passfile.js';

/** The server's superuser. */
export const USER = 'scale_seed';
export const isRoot = process.getuid?.() === 0;

/** An error of the embedded server's; with code `configuration` it is one that the caller has to mend. */
export function embeddedError(message: string, hint: string, cause?: unknown, code: ErrorCode = 'embedded') {
  return new ScaleSeedError(`embedded PostgreSQL: ${message}`, { code, phase: 'embedded', hint, cause });
}

/** What is not in its place yet, and copies of PostgreSQL's programs: the next start may make them anew. */
export const REMADE = /^(scale-seed-unfinished\.\w{6}|postgresql-\d+-\d+)$/;

/** A password file as libpq reads it: it comes and goes with the data that it opens. */
export const passfileIn = (root: string): string => join(root, 'data', 'passfile');

/** As given, else SCALE_SEED_DATA_DIR, else in the user's data directory, of which a relative one does not count. */
export function directoryOf(given = process.env.SCALE_SEED_DATA_DIR || undefined): string {
  const hint = 'name a directory with --data-directory or SCALE_SEED_DATA_DIR, or set HOME';
  // A postmaster.pid has the directory in one line.
  if (given === '' || given?.includes('\n'))
    throw embeddedError('its directory has no name, or one of two lines', hint, undefined, 'configuration');
  if (given !== undefined) return resolve(given);
  // Not in root's home, which the account that runs the server may not enter.
  if (isRoot) return '/var/lib/scale-seed/postgres';
  const inHome = process.platform === 'darwin' ? 'Library/Application Support' : '.local/share';
  try {
    const { HOME = '', XDG_DATA_HOME = '' } = process.env;
    const home = isAbsolute(HOME) ? HOME : userInfo().homedir;
    return join(isAbsolute(XDG_DATA_HOME) ? XDG_DATA_HOME : join(home, inHome), 'scale-seed', 'postgres');
  } catch (error) {
    throw embeddedError('this user has no home directory', hint, error, 'configuration');
  }
}

/** The server's password, '' where there is no data yet. Refuses a directory in which others could put a server. */
export async function readPassword(root: string): Promise<string> {
  const found = await Promise.all([lstat(root), stat(root)]).catch(() => []);
  const hint = 'name another, or a new one in it, with --data-directory';
  if (found.some(({ uid }) => uid !== process.getuid?.()))
    throw embeddedError(`${root} belongs to another user`, hint);
  const names = found.length > 0 ? await readdir(root) : [];
  if (names.length > 0 && found.some((entry) => !entry.isSymbolicLink() && entry.mode & 0o022))
    throw embeddedError(`others may write to ${root}`, `see that nobody has, then chmod go-w ${root}`);
  const password = findPassword(passfileIn(root), ['127.0.0.1', '', '', USER], (message) => {
    throw embeddedError(message, hint);
  });
  if (!password && !names.every((name) => name === 'server.log' || REMADE.test(name)))
    throw embeddedError(`${root} is not a directory of scale-seed's: it has no data/passfile`, hint);
  return password ?? '';
}

/** With just that mode, whatever the umask; not by mkdir's `recursive`, which never comes back from a place that takes no folders, such as /proc. */
export async function makeFolder(folder: string, mode: number): Promise<void> {
  if (!existsSync(dirname(folder))) await makeFolder(dirname(folder), mode);
  await mkdir(folder).catch((error: unknown) => {
    if (!existsSync(folder)) throw error;
  });
  await chmod(folder, mode);
}
