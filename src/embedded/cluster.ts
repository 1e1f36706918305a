import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { embeddedError, isRoot, makeFolder, readPassword, USER } from './directory.js';
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

/** Makes the server's directory; closes one that is there, and empty, to others. */
export async function openDirectory(root: string): Promise<void> {
  // The account that runs root's server has to pass through.
  const mode = isRoot ? 0o711 : 0o700;
  await makeFolder(root, mode);
  if ((await readPassword(root)) === undefined) await chmod(root, mode);
}

/** Elsewhere first, so that half a data directory is never taken for one. */
async function runInitdb(root: string, programs: Programs, signal: AbortSignal): Promise<void> {
  refuseNameless();
  const folder = await mkdtemp(join(root, 'data.'));
  const [data, pwfile] = [join(folder, 'data'), join(folder, 'password')];
  const password = randomBytes(24).toString('base64url');
  const { uid, gid } = programs.as;
  try {
    await writeFile(pwfile, password, { mode: 0o600 });
    if (uid !== undefined && gid !== undefined)
      for (const path of [pwfile, folder]) await chown(path, uid, gid);
    const options = ['--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', '--no-instructions'];
    const args = [`--pgdata=${data}`, `--username=${USER}`, `--pwfile=${pwfile}`, ...options];
    await runProgram(programs, 'initdb', args, { signal, killSignal: 'SIGKILL' });
    await writeFile(join(data, 'passfile'), `127.0.0.1:*:*:${USER}:${password}\n`, { mode: 0o600 });
    await rename(data, join(root, 'data'));
  } catch (error) {
    // Another command may have been quicker.
    if ((await readPassword(root)) !== undefined) return;
    const hint = 'see that the disk has room, or name another --data-directory';
    throw embeddedError(`its data directory cannot be made: ${messageOf(error)}`, hint, error);
  } finally {
    await remove(folder);
  }
}

/** initdb asks for the name of its user, although it needs none. */
function refuseNameless(): void {
  try {
    userInfo();
  } catch (error) {
    const hint = 'run as a user that has one, or name a server of your own with --database-url';
    throw embeddedError('initdb needs a user that has a name', hint, error, 'configuration');
  }
}

/** A process that has just been killed may still write there; what it leaves goes with the next start. */
const remove = (folder: string) => rm(folder, { recursive: true, force: true }).catch(() => undefined);

/** Starts the server by pg_ctl, which stops it again where its wait is interrupted by SIGINT. */
export async function startServer(
  root: string,
  programs: Programs,
  settings: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const options = Object.entries({ ...settings, listen_addresses: '127.0.0.1', unix_socket_directories: '' })
    .map(([name, value]) => `-c '${name}=${value.replaceAll("'", `'\\''`)}'`)
    .join(' ');
  const log = join('data', 'server.log');
  // pg_ctl goes through a shell, which is spared the directory's name.
  const control = { cwd: root, signal, killSignal: 'SIGINT' };
  try {
    await runProgram(programs, 'pg_ctl', ['start', '-D', 'data', '-l', log, '-o', options], control);
  } catch (error) {
    const lines = (await readFile(join(root, log), 'utf8').catch(() => messageOf(error))).trim().split('\n');
    const tail = lines.slice(-5).join('\n  ');
    throw embeddedError(`the server does not start:\n  ${tail}`, `see ${join(root, log)}`, error);
  }
}

/** Stops the server; what runs in it is rolled back. */
export async function stopServer(root: string, programs: Programs): Promise<void> {
  await runProgram(programs, 'pg_ctl', ['stop', '-D', join(root, 'data'), '-m', 'fast']);
}

/** The port that PostgreSQL's own record of its last start names if nobody has it, else one that the system gives. */
export async function choosePort(root: string): Promise<number> {
  const options = await readFile(join(root, 'data', 'postmaster.opts'), 'utf8').catch(() => '');
  return freePort(Number(/"port=(\d+)"/.exec(options)?.[1] ?? 0)).catch(() => freePort());
}

/** A port on 127.0.0.1 that nobody has. */
export async function freePort(wanted = 0): Promise<number> {
  const probe = createServer().listen({ port: wanted, host: '127.0.0.1' });
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
