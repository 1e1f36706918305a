import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { messageOf } from '../../errors.js';
import { embeddedError } from './error.js';

/** Where everything of the embedded server's lies. */
export interface Files {
  root: string;
  /** PGDATA. */
  data: string;
  /** Says that the directory is ours, and remembers the port. */
  marker: string;
  /** A password file as libpq reads it. */
  passfile: string;
  log: string;
  lock: string;
}

/** What is remembered between starts. */
export interface Marker {
  format: 1;
  port: number;
  major: number;
}

export const USER = 'scale_seed';
export const DATABASE = 'certctl';

/** Whether this process is root, which PostgreSQL refuses to run as. */
export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * The server's directory: as given, else SCALE_SEED_DATA_DIR, else the platform's data directory; root's lies outside
 * its home, which the account that runs the server may not enter.
 */
export function filesIn(dataDirectory: string | undefined): Files {
  const given = dataDirectory ?? (process.env.SCALE_SEED_DATA_DIR || undefined);
  const root = given === undefined ? defaultRoot() : resolve(given);
  return {
    root,
    data: join(root, 'data'),
    marker: join(root, 'scale-seed.json'),
    passfile: join(root, 'passfile'),
    log: join(root, 'server.log'),
    lock: join(root, 'lock'),
  };
}

function defaultRoot(): string {
  if (isRoot()) return '/var/lib/scale-seed';
  if (homedir() === '')
    throw embeddedError('there is no home directory', 'name a place with --data-directory');
  return envPaths('scale-seed', { suffix: '' }).data;
}

/** The marker; undefined where there is no such directory, or an empty one. Throws where the directory isn't ours. */
export async function readMarker(files: Files): Promise<Marker | undefined> {
  const entries = await readdir(files.root).catch((): string[] => []);
  if (entries.length === 0) return undefined;
  try {
    return JSON.parse(await readFile(files.marker, 'utf8')) as Marker;
  } catch (error) {
    throw embeddedError(
      `${files.root} is not a directory of scale-seed's: ${messageOf(error)}`,
      'name an empty directory, or none, with --data-directory',
    );
  }
}

export async function writeMarker(files: Files, marker: Marker): Promise<void> {
  await writeFile(files.marker, `${JSON.stringify(marker)}\n`);
}

/** Makes the directory, and in it a password that only its owner can read; returns the one that is there, if any. */
export async function makeRoot(files: Files): Promise<{ password: string }> {
  // The account that runs root's server has to pass through; nothing in the directory is readable to it but its own.
  await mkdir(files.root, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
  const password = (await readPassword(files)) ?? randomBytes(24).toString('base64url');
  await writeFile(files.passfile, `127.0.0.1:*:*:${USER}:${password}\n`, { mode: 0o600 });
  return { password };
}

export async function readPassword(files: Files): Promise<string | undefined> {
  const line = await readFile(files.passfile, 'utf8').catch(() => '');
  return line.trim().split(':')[4];
}

/** A URL without the password: libpq, psql and scale-seed read it from the file that is named. */
export function urlOf(files: Files, port: number): string {
  return `postgresql://${USER}@127.0.0.1:${port}/${DATABASE}?passfile=${encodeURIComponent(files.passfile)}&sslmode=disable`;
}
