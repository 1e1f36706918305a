import { once } from 'node:events';
import postgres from 'postgres';
import { encodeWhole } from '../../src/encode/encode-rows.js';
import { quote, quoteList } from '../../src/postgres/quote.js';
import type { LoadPath } from '../load-path.js';
import { namesOf } from './columns.js';

export const postgresJs: LoadPath = {
  name: 'postgres-js',
  about: 'the same as staged by the postgres.js library',
  load: async ({ url, fixtures, anchorUs }) => {
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
