import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Mark } from '../../src/fixtures/fixture.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

const TABLE = 'create table named (id text primary key, label text not null)';
const others: pg.Client[] = [];

afterAll(() => Promise.all(others.map((client) => client.end())));

/** What a key begins and ends with, how it is marked, and whether it is declared to count. */
const KEYS: [what: string, prefix: string, suffix: string, mark: Omit<Mark, 'column'>, counts: boolean][] = [
  ['a prefix', 'a-', '', { prefix: 'a-' }, true],
  ['a prefix and five digits', 'a-', '', { prefix: 'a-', digits: 5 }, true],
  ['a prefix and a suffix', 'a-', '-b', { prefix: 'a-' }, true],
  ['a digit before the digits', 'a2', '', { prefix: 'a2', digits: 5 }, false],
  ['umlauts before the digits', 'äö', '', { prefix: 'äö', digits: 5 }, false],
  ['umlauts all around', 'äö', 'ß', { prefix: 'äö' }, false],
];

describe.each([
  ['UTF8', "encoding 'UTF8'"],
  ['LATIN1', "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'"],
  ['SQL_ASCII', "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'"],
])('in a database in %s, rows are known by keys with', (_, options) => {
  let databaseUrl: string;
  let client: pg.Client;

  beforeAll(async () => {
    databaseUrl = await database.another(options, TABLE);
    client = new pg.Client({ connectionString: databaseUrl });
    client.on('error', () => undefined);
    await client.connect();
    others.push(client);
  });

  it.each(KEYS)('%s', async (_what, prefix, suffix, mark, counts) => {
    const idOf = (row: number): string => `${prefix}${String(row).padStart(5, '0')}${suffix}`;
    const fixture = defineFixture({
      name: 'named',
      table: 'named',
      count: 30,
      columns: { id: 'text', label: 'text' },
      conflictKeys: [['id']],
      numberedKeys: counts ? { id: { prefix, digits: 5, suffix } } : {},
      mark: { column: 'id', ...mark },
      *rows(first, last) {
        for (let row = first; row <= last; row++) yield [idOf(row), `label ${row}`];
      },
    });
    const run = { databaseUrl, fixtures: [fixture], settle: false };
    const stranger = mark.digits === undefined ? `x${idOf(1)}` : `${prefix}x9999${suffix}`;
    await client.query('truncate named');
    await client.query('insert into named values ($1, $2)', [stranger, 'own']);

    expect((await load(run)).fixtures[0]).toMatchObject({ inserted: 30, present: 30 });
    const again = (await load(run)).fixtures[0]!;
    expect(again).toMatchObject({ inserted: 0, skipped: 30 });
    // Those that count are known without being sent.
    expect(again.copiedBytes === 0).toBe(counts);
    expect(await verify(run)).toMatchObject({ intact: true, fixtures: [{ present: 30 }] });
    await client.query('update named set label = label || $2 where id = $1', [idOf(7), '!']);
    await client.query('delete from named where id = $1', [idOf(9)]);
    expect((await verify(run)).fixtures[0]).toMatchObject({ driftedRows: 1, missing: { rows: 1 } });
    expect((await reset(run)).fixtures[0]).toMatchObject({ inserted: 1 });
    expect((await verify(run)).intact).toBe(true);
    expect((await clean(run)).fixtures[0]).toMatchObject({ deleted: 30 });
    expect((await client.query('delete from named returning id')).rows).toEqual([{ id: stranger }]);
  });
});
