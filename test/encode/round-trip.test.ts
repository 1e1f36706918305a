import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { load } from '../../src/operations/load.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

/** Any text that UTF-8 and PostgreSQL can hold: all but NUL and halves of surrogate pairs. */
const text = fc.string({ unit: 'binary', maxLength: 30 }).map((value) => value.replaceAll('\0', ''));
const awkward = fc.constantFrom(
  '',
  '\\.',
  '\\N',
  'NULL',
  '"',
  '""',
  ',',
  '\n',
  '\r\n',
  '\\',
  "'",
  '{}',
  ' x ',
  '\t',
);
const anyText = fc.oneof(text, awkward);
const json = fc
  .jsonValue({ noUnicodeString: false, maxDepth: 3 })
  .filter((value) => value !== null && !holdsNul(value));
const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { nil: null });

const row = fc.record({
  t: maybe(anyText),
  a: maybe(fc.array(maybe(anyText), { maxLength: 5 })),
  j: maybe(json),
  n: maybe(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  b: maybe(fc.boolean()),
  y: maybe(fc.uint8Array({ maxLength: 20 })),
  at: maybe(fc.integer({ min: -(10 ** 15), max: 10 ** 15 })),
});

function holdsNul(value: unknown): boolean {
  return JSON.stringify(value).includes('\\u0000');
}

describe('whatever a fixture yields', () => {
  beforeAll(async () => {
    await database.query(
      'create table own (id text primary key, t text, a text[], j jsonb, n bigint, b boolean, y bytea, at timestamptz)',
    );
  });

  it('comes back equal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 60 }), async (rows) => {
        await database.query('truncate own');
        const { anchor } = await load({
          databaseUrl: database.url,
          fixtures: [ownFixture(rows)],
          settle: false,
        });
        const found = await database.query(
          `select t, a, j, n, b, y, (extract(epoch from at - $1::timestamptz) * 1000000)::int8 as at
           from own order by id`,
          [anchor],
        );
        expect(found).toEqual(rows.map(asRead));
        const checked = await verify({ databaseUrl: database.url, fixtures: [ownFixture(rows)] });
        expect(checked.fixtures[0]).toMatchObject({ missing: { rows: 0 }, unexpected: { rows: 0 } });
        expect(checked.fixtures[0]?.drift.filter(({ column }) => column !== 'at')).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

type Value = typeof row extends fc.Arbitrary<infer V> ? V : never;

function ownFixture(rows: readonly Value[]) {
  return defineFixture({
    name: 'own',
    table: 'own',
    count: rows.length,
    columns: {
      id: 'text',
      t: 'text',
      a: 'text[]',
      j: 'jsonb',
      n: 'bigint',
      b: 'boolean',
      y: 'bytea',
      at: 'timestamptz after anchor',
    },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'own-' },
    *rows() {
      for (const [i, { t, a, j, n, b, y, at }] of rows.entries()) {
        yield [`own-${String(i).padStart(3, '0')}`, t, a, j, n, b, y, at];
      }
    },
  });
}

/** A row as node-postgres reads it. */
function asRead({ t, a, j, n, b, y, at }: Value): Record<string, unknown> {
  return {
    t,
    a,
    j: j === null ? null : (JSON.parse(JSON.stringify(j)) as unknown),
    n: n === null ? null : String(n),
    b,
    y: y === null ? null : Buffer.from(y),
    at: at === null ? null : String(at),
  };
}
