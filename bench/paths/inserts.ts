import { quote, quoteList } from '../../src/postgres/quote.js';
import { wholeRecords } from '../../src/encode/encode-rows.js';
import type { CsvRecord } from '../../src/encode/csv.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import type { LoadPath, Run } from '../load-path.js';
import { namesOf, typesOf } from './columns.js';

/** Calls back with batches of rows as text, `size` at a time. */
async function inBatches(
  { fixtures, anchorUs }: Run,
  size: number,
  insert: (fixture: Fixture, records: CsvRecord[]) => Promise<unknown>,
): Promise<undefined> {
  for (const fixture of fixtures) {
    const pending: CsvRecord[] = [];
    for await (const records of wholeRecords(fixture, anchorUs)) {
      pending.push(...records);
      while (pending.length >= size) await insert(fixture, pending.splice(0, size));
    }
    if (pending.length > 0) await insert(fixture, pending);
  }
  return undefined;
}

const intoSql = (fixture: Fixture): string =>
  `insert into ${quote(fixture.table)} (${quoteList(namesOf(fixture))})`;

async function inTransaction(run: Run, work: () => Promise<undefined>): Promise<undefined> {
  await run.client.query('begin');
  await work();
  await run.client.query('commit');
  return undefined;
}

export const rowByRow: LoadPath = {
  name: 'row-by-row',
  about: 'a prepared INSERT a row, one transaction',
  maxRows: 20_000,
  load: (run) =>
    inTransaction(run, () =>
      inBatches(run, 1, (fixture, [record]) => {
        const parameters = namesOf(fixture).map((_, i) => `$${i + 1}`);
        const text = `${intoSql(fixture)} values (${parameters.join(', ')}) on conflict do nothing`;
        return run.client.query({ name: fixture.name, text, values: record ?? [] });
      }),
    ),
};

export const multiRow: LoadPath = {
  name: 'multi-row',
  about: 'INSERT of 1,000 rows of VALUES at a time, one transaction',
  maxRows: 100_000,
  load: (run) =>
    inTransaction(run, () =>
      inBatches(run, 1000, (fixture, records) => {
        const width = namesOf(fixture).length;
        const tuples = records.map(
          (_, r) =>
            `(${namesOf(fixture)
              .map((_name, c) => `$${r * width + c + 1}`)
              .join(', ')})`,
        );
        return run.client.query(
          `${intoSql(fixture)} values ${tuples.join(', ')} on conflict do nothing`,
          records.flat(),
        );
      }),
    ),
};

export const unnest: LoadPath = {
  name: 'unnest',
  about: 'INSERT ... SELECT FROM unnest of an array a column, 10,000 rows at a time, one transaction',
  load: (run) =>
    inTransaction(run, () =>
      inBatches(run, 10_000, (fixture, records) => {
        const types = typesOf(fixture);
        const arrays = types.map((_, i) => `$${i + 1}::text[]`);
        const names = namesOf(fixture);
        const casts = names.map((name, i) => `r.${quote(name)}::${types[i] ?? 'text'}`);
        return run.client.query(
          `${intoSql(fixture)} select ${casts.join(', ')} from unnest(${arrays.join(', ')}) as r (${quoteList(names)})
           on conflict do nothing`,
          names.map((_, column) => records.map((record) => record[column])),
        );
      }),
    ),
};

export const jsonRecordset: LoadPath = {
  name: 'json',
  about: 'INSERT ... SELECT FROM json_populate_recordset, 10,000 rows at a time, one transaction',
  load: (run) =>
    inTransaction(run, () =>
      inBatches(run, 10_000, (fixture, records) => {
        const names = namesOf(fixture);
        const types = typesOf(fixture);
        const objects = records.map((record) =>
          Object.fromEntries(
            names.map((name, i) => [
              name,
              types[i] === 'jsonb' ? (JSON.parse(record[i] ?? 'null') as unknown) : record[i],
            ]),
          ),
        );
        return run.client.query(
          `${intoSql(fixture)} select ${quoteList(names)}
           from json_populate_recordset(null::${quote(fixture.table)}, $1) on conflict do nothing`,
          [JSON.stringify(objects)],
        );
      }),
    ),
};
