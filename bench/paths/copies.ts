import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify';
import { from as copyFrom } from 'pg-copy-streams';
import { quote, quoteList } from '../../src/postgres/quote.js';
import { encodeWhole, wholeRecords } from '../../src/encode/encode-rows.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import type { LoadPath, Run } from '../load-path.js';
import { namesOf } from './columns.js';

/** A staging table with all columns of the target and none of its indexes or constraints. */
async function createStaging({ client }: Run, fixture: Fixture): Promise<void> {
  await client.query(`create temp table staging on commit drop as select ${quoteList(namesOf(fixture))}
    from ${quote(fixture.table)} limit 0`);
}

async function mergeStaging({ client }: Run, fixture: Fixture): Promise<void> {
  const columns = quoteList(namesOf(fixture));
  await client.query(`insert into ${quote(fixture.table)} (${columns}) select ${columns} from staging
    on conflict do nothing`);
}

function copySql(fixture: Fixture, table: string, format: string): string {
  return `copy ${table} (${quoteList(namesOf(fixture))}) from stdin (format ${format})`;
}

async function* bytesOf(fixture: Fixture, anchorUs: bigint): AsyncGenerator<Buffer, void> {
  for await (const { bytes } of encodeWhole(fixture, anchorUs)) yield bytes;
}

/** Copies each fixture into staging in some way and merges it, in a transaction of its own. */
function stagedBy(copy: (run: Run, fixture: Fixture) => Promise<unknown>): LoadPath['load'] {
  return async (run) => {
    for (const fixture of run.fixtures) {
      await run.client.query('begin');
      await createStaging(run, fixture);
      await copy(run, fixture);
      await mergeStaging(run, fixture);
      await run.client.query('commit');
    }
    return undefined;
  };
}

export const staged: LoadPath = {
  name: 'staged',
  about: 'COPY of whole rows into temp staging, INSERT ... ON CONFLICT, foreign keys row by row',
  load: stagedBy(({ client, anchorUs }, fixture) =>
    pipeline(bytesOf(fixture, anchorUs), client.query(copyFrom(copySql(fixture, 'staging', 'csv')))),
  ),
};

export const stringifyStream: LoadPath = {
  name: 'stringify-stream',
  about: "the same, by csv-stringify's stream API",
  maxRows: 100_000,
  load: stagedBy(({ client, anchorUs }, fixture) => {
    async function* records(): AsyncGenerator<(string | null)[], void> {
      for await (const batch of wholeRecords(fixture, anchorUs)) yield* batch;
    }
    return pipeline(
      Readable.from(records()),
      stringify(),
      client.query(copyFrom(copySql(fixture, 'staging', 'csv'))),
    );
  }),
};

export const stagedFile: LoadPath = {
  name: 'staged-file',
  about: 'COPY of a ready CSV file into temp staging, then merged: generating and encoding cost nothing',
  prepare: async ({ fixtures, csvFile }) => {
    for (const fixture of fixtures) await csvFile(fixture);
  },
  load: stagedBy(async ({ client, csvFile }, fixture) =>
    pipeline(
      createReadStream(await csvFile(fixture)),
      client.query(copyFrom(copySql(fixture, 'staging', 'csv'))),
    ),
  ),
};

export const direct: LoadPath = {
  name: 'copy-direct',
  about: 'COPY straight into the target: fails on the first row that stands',
  load: async ({ client, fixtures, anchorUs }) => {
    for (const fixture of fixtures) {
      const copy = client.query(copyFrom(copySql(fixture, quote(fixture.table), 'csv')));
      await pipeline(bytesOf(fixture, anchorUs), copy);
    }
    return undefined;
  },
};
