import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../errors.js';
import { embeddedError } from './error.js';
import { isRoot } from './files.js';

const run = promisify(execFile);

/** What spawn needs to run as another; empty where the caller itself will do. */
export interface Account {
  uid?: number;
  gid?: number;
}

const NAME = 'postgres';

/** The account that the server runs under: the caller's, or for root an unprivileged one, made if need be. */
export async function serverAccount(): Promise<Account> {
  if (!isRoot()) return {};
  return (await lookUp()) ?? (await create());
}

async function lookUp(): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => (await run('id', [flag, NAME])).stdout),
    );
    return { uid: Number(uid), gid: Number(gid) };
  } catch {
    return undefined;
  }
}

/** Debian and Red Hat have useradd, Alpine's busybox has adduser. */
async function create(): Promise<Account> {
  try {
    await run('useradd', ['--system', '--user-group', NAME]).catch(() =>
      run('adduser', ['-S', '-D', '-H', NAME]),
    );
    const account = await lookUp();
    if (account !== undefined) return account;
    throw new Error('it is not there afterwards');
  } catch (error) {
    throw embeddedError(
      `PostgreSQL does not run as root, and the account ${NAME} cannot be made: ${messageOf(error)}`,
      `make an account named ${NAME}, or run scale-seed as an ordinary user`,
      error,
    );
  }
}
