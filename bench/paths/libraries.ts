import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { quote, quoteList } from '../../src/postgres/quote.js';
import { encodeWhole, wholeRecords } from '../../src/encode/encode-rows.js';
import { columnsOf, type Fixture } from '../../src/fixtures/fixture.js';
import type { LoadPath } from '../load-path.js';
import { notInstalled, runProcess, runPsql } from '../run-process.js';

const namesOf = (fixture: Fixture): string[] => columnsOf(fixture).map(({ name }) => name);

async function missing(name: string): Promise<string | undefined> {
  try {
    await import(name);
    return undefined;
  } catch {
    return `${name} is not installed`;
  }
}

export const binary: LoadPath = {
  name: 'copy-binary',
  about: 'COPY BINARY of text columns into temp staging (pg-copy-streams-binary), merged with casts',
  unavailable: () => missing('pg-copy-streams-binary'),
  load: async ({ client, fixtures, anchorUs }) => {
    const { rowWriter } = (await import('pg-copy-streams-binary')).default;
    for (const fixture of fixtures) {
      const names = namesOf(fixture);
      const types = columnsOf(fixture).map(({ type }) =>
        type === 'timestamptz after anchor' ? 'timestamptz' : type,
      );
      await client.query('begin');
      await client.query(
        `create temp table staging (${names.map((name) => `${quote(name)} text`).join(', ')}) on commit drop`,
      );
      async function* records(): AsyncGenerator<{ type: string; value: string | null }[], void> {
        for await (const batch of wholeRecords(fixture, anchorUs)) {
          for (const record of batch) yield record.map((value) => ({ type: 'text', value }));
        }
      }
      const copy = client.query(copyFrom('copy staging from stdin (format binary)'));
      await pipeline(records(), rowWriter(), copy);
      const casts = names.map((name, i) => `${quote(name)}::${types[i] ?? 'text'}`);
      await client.query(`insert into ${quote(fixture.table)} (${quoteList(names)}) select ${casts.join(', ')}
        from staging on conflict do nothing`);
      await client.query('commit');
    }
    return undefined;
  },
};

export const postgresJs: LoadPath = {
  name: 'postgres-js',
  about: 'the same as staged by the postgres.js library',
  unavailable: () => missing('postgres'),
  load: async ({ url, fixtures, anchorUs }) => {
    const postgres = (await import('postgres')).default;
    const sql = postgres(url, { max: 1, onnotice: () => undefined });
    try {
      for (const fixture of fixtures) {
        await sql.begin(async (transaction) => {
          const columns = quoteList(namesOf(fixture));
          await transaction.unsafe(
            `create temp table staging on commit drop as select ${columns} from ${quote(fixture.table)} limit 0`,
          );
          const copy = await transaction
            .unsafe(`copy staging (${columns}) from stdin (format csv)`)
            .writable();
          for await (const { bytes } of encodeWhole(fixture, anchorUs)) {
            if (!copy.write(bytes)) await once(copy, 'drain');
          }
          await new Promise<void>((resolve, reject) => {
            copy.once('error', reject).end(resolve);
          });
          await transaction.unsafe(
            `insert into ${quote(fixture.table)} (${columns}) select ${columns} from staging on conflict do nothing`,
          );
        });
      }
    } finally {
      await sql.end();
    }
    return undefined;
  },
};

export const psqlCopy: LoadPath = {
  name: 'psql-copy',
  about: "psql's \\copy of a ready CSV file into temp staging, then merged: a whole process",
  reference: 'published-process',
  unavailable: () => notInstalled('psql'),
  prepare: async ({ fixtures, csvFile, folder }) => {
    const script: string[] = [];
    for (const fixture of fixtures) {
      const columns = quoteList(namesOf(fixture));
      script.push(
        'begin;',
        `create temp table staging on commit drop as select ${columns} from ${quote(fixture.table)} limit 0;`,
        `\\copy staging (${columns}) from '${await csvFile(fixture)}' (format csv)`,
        `insert into ${quote(fixture.table)} (${columns}) select ${columns} from staging on conflict do nothing;`,
        'commit;',
      );
    }
    await writeFile(join(folder, 'copy.sql'), script.join('\n'));
  },
  load: async ({ url, folder }) => {
    await runPsql(url, join(folder, 'copy.sql'));
    return undefined;
  },
};

export const pgloader: LoadPath = {
  name: 'pgloader',
  about: 'pgloader of a ready CSV file straight into the target: a whole process',
  reference: 'published-process',
  unavailable: () => notInstalled('pgloader'),
  prepare: async ({ url, fixtures, csvFile, folder }) => {
    for (const fixture of fixtures) {
      const columns = namesOf(fixture).join(', ');
      await writeFile(
        join(folder, `${fixture.name}.load`),
        `load csv from '${await csvFile(fixture)}' (${columns}) into ${url.replace(/\?.*$/, '')}
         target table public.${fixture.table} (${columns})
         with fields terminated by ',', fields optionally enclosed by '"', fields escaped by double-quote;`,
      );
    }
  },
  load: async ({ fixtures, folder }) => {
    for (const fixture of fixtures) {
      await runProcess('pgloader', ['--on-error-stop', join(folder, `${fixture.name}.load`)]);
    }
    return undefined;
  },
};
