import { execFile } from 'node:child_process';
import { chown, mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.js';
import type { Account } from './account.js';
import type { Binaries } from './binaries.js';
import { embeddedError } from './error.js';
import { USER, writePrivate, type Files } from './files.js';
import { serverEnvironment } from './processes.js';

/** Makes the data directory if there is none: beside its place first, so that half of one is never taken for one. */
export async function initialise(
  files: Files,
  binaries: Binaries,
  account: Account,
  password: string,
): Promise<void> {
  if (await stat(join(files.data, 'PG_VERSION')).catch(() => undefined)) return;
  const unfinished = `${files.data}.new`;
  const pwfile = join(files.root, 'initdb-password');
  try {
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { mode: 0o700 });
    await writePrivate(pwfile, password);
    if (account.uid !== undefined && account.gid !== undefined) {
      await chown(unfinished, account.uid, account.gid);
      await chown(pwfile, account.uid, account.gid);
    }
    await promisify(execFile)(
      binaries.initdb,
      [
        `--pgdata=${unfinished}`,
        `--username=${USER}`,
        `--pwfile=${pwfile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--no-locale',
        '--no-instructions',
      ],
      { ...account, cwd: '/', env: serverEnvironment() },
    );
    await rename(unfinished, files.data);
  } catch (error) {
    throw embeddedError(
      `its data directory cannot be made: ${messageOf(error)}`,
      'see that the disk has room, or name another --data-directory',
      error,
    );
  } finally {
    await rm(pwfile, { force: true });
  }
}
