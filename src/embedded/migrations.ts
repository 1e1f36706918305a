import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import pg from 'pg';
import { messageOf } from '../errors.js';
import { embeddedError } from './error.js';

/** Run after the migrations, in this order, where they are there. */
const SEEDS = ['seed.sql', 'seed_demo.sql'];

/**
 * The files that migrate a certctl database: `*.up.sql` in lexical order, then its seeds. `directory` is a checkout of
 * certctl or its folder of migrations.
 */
export async function findMigrations(directory: string): Promise<string[]> {
  for (const folder of [join(directory, 'migrations'), directory]) {
    const names = await readdir(folder).catch((): string[] => []);
    const migrations = names.filter((name) => name.endsWith('.up.sql')).sort();
    const seeds = SEEDS.filter((name) => names.includes(name));
    if (migrations.length > 0) return [...migrations, ...seeds].map((name) => join(folder, name));
  }
  throw embeddedError(
    `there are no *.up.sql files in ${directory}`,
    'give --migrations a checkout of certctl',
  );
}

/** Runs the files as certctl-server does at every boot: each as it is, all of them again. */
export async function applyMigrations(client: pg.Client, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const sql = await readFile(file, 'utf8');
    try {
      await client.query(sql);
    } catch (error) {
      throw embeddedError(
        `${basename(file)}${lineOf(error, sql)}: ${messageOf(error)}`,
        'mend the file, then run the command again',
        error,
      );
    }
  }
}

function lineOf(error: unknown, sql: string): string {
  const position = error instanceof pg.DatabaseError ? Number(error.position) : NaN;
  return Number.isNaN(position) ? '' : `, line ${sql.slice(0, position).split('\n').length}`;
}
