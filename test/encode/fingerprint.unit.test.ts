import { describe, expect, it } from 'vitest';
import { computeFingerprint } from '../../src/encode/fingerprint.js';
import { defineFixture } from '../../src/fixtures/define-fixture.js';

const fingerprint = (type: string, value: unknown): Promise<string> =>
  computeFingerprint(
    defineFixture({
      name: 'own',
      table: 't',
      count: 1,
      columns: { id: 'text' },
      constants: { v: { type, value } },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: 'own-' },
      rows: () => [['own-1']],
    }),
  );

describe('the fingerprint of a fixture with a constant', () => {
  it.each<[type: string, one: unknown, other: unknown]>([
    ['bytea', Buffer.from('a'), new Uint8Array([97])],
    ['text', null, undefined],
    ['jsonb', { a: NaN }, { a: null }],
    ['jsonb', { a: new Date(0) }, { a: '1970-01-01T00:00:00.000Z' }],
    ['integer', 5, '5'],
    ['integer', 5n, 5],
    ['timestamptz after anchor', 5n, 5],
    ['numeric[]', [Infinity], ['Infinity']],
    ['timestamptz', new Date(0), '1970-01-01T00:00:00.000Z'],
  ])('is the same where the same is sent: %s', async (type, one, other) => {
    expect(await fingerprint(type, one)).toBe(await fingerprint(type, other));
  });

  it.each<[type: string, one: unknown, other: unknown]>([
    ['jsonb', { a: NaN }, { a: 'NaN' }],
    ['jsonb', [Infinity], ['Infinity']],
    ['jsonb', { a: 1 }, '{"a":1}'],
    ['jsonb', NaN, null],
    ['jsonb', NaN, 'null'],
    ['jsonb', 1, '1'],
    ['jsonb[]', [{ a: NaN }], [{ a: 'NaN' }]],
    ['json', { a: 1, b: 2 }, { b: 2, a: 1 }],
    ['bytea', Buffer.from('a'), Buffer.from('b')],
    ['text', '', null],
    ['text[]', [null], ['NULL']],
    ['double precision', 0, '-0'],
    ['timestamptz after anchor', 2n ** 53n, 2n ** 53n + 1n],
  ])('is another where something else is sent: %s', async (type, one, other) => {
    expect(await fingerprint(type, one)).not.toBe(await fingerprint(type, other));
  });
});
