import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import binary from 'pg-copy-streams-binary';
import { wholeRecords } from '../../src/encode/encode-rows.js';
import { quote, quoteList } from '../../src/postgres/quote.js';
import type { LoadPath } from '../load-path.js';
import { namesOf, typesOf } from './columns.js';

export const copyBinary: LoadPath = {
  name: 'copy-binary',
  about: 'COPY BINARY of text columns into temp staging (pg-copy-streams-binary), merged with casts',
  load: async ({ client, fixtures, anchorUs }) => {
    for (const fixture of fixtures) {
      const names = namesOf(fixture);
      const types = typesOf(fixture);
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
      await pipeline(records(), binary.rowWriter(), copy);
      const casts = names.map((name, i) => `${quote(name)}::${types[i] ?? 'text'}`);
      await client.query(`insert into ${quote(fixture.table)} (${quoteList(names)}) select ${casts.join(', ')}
        from staging on conflict do nothing`);
      await client.query('commit');
    }
    return undefined;
  },
};
