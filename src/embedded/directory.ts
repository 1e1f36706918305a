import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { ScaleSeedError, type ErrorCode } from '../errors.js';

/** The server's superuser. */
export const USER = 'scale_seed';
export const isRoot = process.getuid?.() === 0;

/** An error of the embedded server's; with code `configuration` it is one that the caller has to mend. */
export function embeddedError(message: string, hint: string, cause?: unknown, code: ErrorCode = 'embedded') {
  return new ScaleSeedError(`embedded PostgreSQL: ${message}`, { code, phase: 'embedded', hint, cause });
}

/** The start of the names under which something is made before it is put in its place, and six characters follow. */
export const UNFINISHED = 'scale-seed-unfinished.';
const OWN_NAMES = /^(scale-seed-unfinished\.\w{6}|postgresql-\d+-\d+|server\.log)$/;

/** A password file as libpq reads it: it comes and goes with the data that it opens. */
export const passfileIn = (root: string): string => join(root, 'data', 'passfile');

/** As given, else SCALE_SEED_DATA_DIR, else in the user's data directory, of which a relative one does not count. */
export function directoryOf(given = process.env.SCALE_SEED_DATA_DIR || undefined): string {
  const hint = 'name a directory with --data-directory or SCALE_SEED_DATA_DIR, or set HOME';
  if (given === '') throw embeddedError('its directory has no name', hint, undefined, 'configuration');
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

/** The server's password; undefined where there is no data yet. Refuses a directory in which others could put a server. */
export async function readPassword(root: string): Promise<string | undefined> {
  const found = await Promise.all([lstat(root), stat(root)]).catch(() => []);
  const hint = 'name another, or a new one in it, with --data-directory';
  if (found.some(({ uid }) => uid !== process.getuid?.()))
    throw embeddedError(`${root} belongs to another user`, hint);
  const names = found.length > 0 ? await readdir(root) : [];
  if (names.length > 0 && found.some((entry) => !entry.isSymbolicLink() && entry.mode & 0o022))
    throw embeddedError(`others may write to ${root}`, `see that nobody has, then chmod go-w ${root}`);
  const { mode = 0 } = (await stat(passfileIn(root)).catch(() => undefined)) ?? {};
  if (mode & 0o077) throw embeddedError(`others may read ${passfileIn(root)}`, 'chmod 600 it');
  const line = await readFile(passfileIn(root), 'utf8').catch(() => '');
  if (line === '' && !names.every((name) => OWN_NAMES.test(name)))
    throw embeddedError(`${root} is not a directory of scale-seed's`, hint);
  return line === '' ? undefined : (line.trim().split(':')[4] ?? '');
}

/** With just that mode, whatever the umask; not by mkdir's `recursive`, which never comes back from a place that takes no folders, such as /proc. */
export async function makeFolder(folder: string, mode: number): Promise<void> {
  if (existsSync(folder)) return;
  await makeFolder(dirname(folder), mode);
  const made = mkdir(folder, { mode }).then(() => chmod(folder, mode));
  await made.catch((error: unknown) => {
    if (!existsSync(folder)) throw error;
  });
}
