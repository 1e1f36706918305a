import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { USER } from './connection.js';
import { embeddedError, passfileIn, readPassword } from './directory.js';
import { runProgram, type Programs } from './programs.js';

/** Makes the data directory and its password if there are none; returns the password. */
export async function initialise(root: string, programs: Programs, signal: AbortSignal): Promise<string> {
  if ((await readPassword(root)) === undefined) await runInitdb(root, programs, signal);
  // What was left by starts that were killed; whoever is at it in this moment will find that we were quicker.
  for (const name of await readdir(root)) if (name.startsWith('data.')) await remove(join(root, name));
  const made = Number.parseInt(await readFile(join(root, 'data', 'PG_VERSION'), 'utf8'), 10);
  if (made === Number.parseInt(programs.version, 10)) return (await readPassword(root)) ?? '';
  const hint = '`scale-seed db destroy` removes it; or name another --data-directory';
  throw embeddedError(`${root} was made by PostgreSQL ${made}, and this is ${programs.version}`, hint);
}

/** Elsewhere first, so that half a data directory is never taken for one. */
async function runInitdb(root: string, programs: Programs, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(root, 'data.'));
  const [pwfile, password] = [join(folder, 'password'), randomBytes(24).toString('base64url')];
  const { uid, gid } = programs.as;
  const options = ['--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', '--no-instructions'];
  try {
    await writeFile(pwfile, password, { mode: 0o600 });
    if (uid && gid) for (const path of [pwfile, folder]) await chown(path, uid, gid);
    const places = [`--pgdata=${join(folder, 'data')}`, `--pwfile=${pwfile}`, `--username=${USER}`];
    await runProgram(programs, 'initdb', [...places, ...options], { signal, killSignal: 'SIGKILL' });
    await writeFile(passfileIn(folder), `127.0.0.1:*:*:${USER}:${password}\n`, { mode: 0o600 });
    await rename(join(folder, 'data'), join(root, 'data'));
  } catch (error) {
    // Another command may have been quicker.
    if ((await readPassword(root)) !== undefined) return;
    const nameless = messageOf(error).includes('user does not exist');
    const hint = nameless
      ? 'run as a user that has a name in /etc/passwd, or name a server of your own with --database-url'
      : 'see that the disk has room, or name another --data-directory';
    const code = nameless ? 'configuration' : 'embedded';
    throw embeddedError(`its data directory cannot be made: ${messageOf(error)}`, hint, error, code);
  } finally {
    await remove(folder);
  }
}

/** A process that has just been killed may still write there; what it leaves goes with the next start. */
const remove = (folder: string) => rm(folder, { recursive: true, force: true }).catch(() => undefined);
