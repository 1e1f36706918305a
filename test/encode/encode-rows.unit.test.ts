import { stringify } from 'csv-stringify/sync';
import { describe, expect, it } from 'vitest';
import { toCsv } from '../../src/encode/csv.js';
import { encodeVarying, encodeWhole } from '../../src/encode/encode-rows.js';
import { parseTimestamp, secondsText, timestampText } from '../../src/fixtures/timestamp.js';
import { encoderFor } from '../../src/fixtures/column-types.js';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents } from '../../src/fixtures/sized.js';

function ownFixture(rows: unknown[][], type = 'text'): Fixture {
  return defineFixture({
    name: 'own',
    table: 't',
    count: rows.length,
    columns: { id: 'text', v: type },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'own-' },
    rows: () => rows,
  });
}

async function csvOf(fixture: Fixture): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const { bytes } of encodeVarying(fixture)) chunks.push(bytes);
  return Buffer.concat(chunks).toString();
}

describe('toCsv', () => {
  it('tells the empty string from NULL', () => {
    expect(toCsv([['a', null, '']])).toBe('a,,""\n');
    expect(toCsv([['a', null, 'b']])).toBe('a,,b\n');
  });

  it('quotes what ends a COPY before PostgreSQL 18', () => {
    expect(toCsv([['\\.'], ['a']])).toBe('"\\."\na\n');
  });

  it('quotes commas, quotes and line ends', () => {
    expect(toCsv([['a,b', 'c"d', 'e\nf', 'g\rh']])).toBe('"a,b","c""d","e\nf","g\rh"\n');
  });

  it('leaves everything else to csv-stringify', () => {
    const fields = ['a', 'é', '-1', ' b ', '=c', "d'", 'e\tf', '\u2028', '\ufeffg', '{h}', null];
    const odd = ['i,j', 'k"l', 'm\nn', 'o\\p'];
    const records = fields.map((field) => ['first', field, 'last', field]);
    expect(toCsv(records)).toBe(stringify(records));
    for (const field of odd) {
      const mixed = [...records, ['first', field, null, field]];
      expect(toCsv(mixed)).toBe(stringify(mixed));
    }
    expect(toCsv([])).toBe('');
    expect(toCsv([[null]])).toBe('\n');
  });
});

describe('encodeVarying', () => {
  it('writes what csv-stringify writes, where nothing needs a quote and where something does', async () => {
    const plain = ['a', 'é', '-1', ' b ', '=c', "d'", 'e\tf', '\u2028', '\ufeffg', '{h}', null];
    const odd = ['i,j', 'k"l', 'm\nn', 'o\\p', 'q\rr', ''];
    const rows = plain.map((value, index) => [`own-${index}`, value]);
    expect(await csvOf(ownFixture(rows))).toBe(stringify(rows));
    for (const value of odd) {
      const mixed = [...rows, ['own-odd', value]];
      const quoted = { quoted_match: [/^$/, /^\\\.$/], quote_record_delimiter: true };
      expect(await csvOf(ownFixture(mixed))).toBe(stringify(mixed, { record_delimiter: '\n', ...quoted }));
    }
  });

  it('sends chunks of tens of KiB that hold whole rows', async () => {
    const sizes: number[] = [];
    let rows = 0;
    for await (const chunk of encodeVarying(sizedAgents(20_000))) {
      expect(chunk.bytes.at(-1)).toBe(0x0a);
      sizes.push(chunk.bytes.length);
      rows += chunk.rows;
    }
    expect(rows).toBe(20_000);
    expect(Math.max(...sizes)).toBeLessThan(48 * 1024);
    expect(sizes.length).toBeLessThan(100);
  });

  it('keeps chunks small when rows are large', async () => {
    const wide = ownFixture(Array.from({ length: 120 }, (_, i) => [`own-${i}`, 'x'.repeat(100_000)]));
    const counts: number[] = [];
    for await (const { rows } of encodeVarying(wide)) counts.push(rows);
    expect(counts.slice(1).every((count) => count === 1)).toBe(true);
  });

  it.each<[string, unknown[], string, string]>([
    [
      'text in a boolean',
      ['own-1', 'yes'],
      'boolean',
      'row 1, column v: true or false is wanted, not a string',
    ],
    [
      'an object in text',
      ['own-1', {}],
      'text',
      'row 1, column v: text or a number is wanted, not an object',
    ],
    ['text in an array', ['own-1', 'x'], 'text[]', 'row 1, column v: an array is wanted, not a string'],
    ['a function in JSON', ['own-1', () => 1], 'jsonb', 'row 1, column v: a function has no JSON'],
    ['an invalid Date', ['own-1', new Date(NaN)], 'timestamptz', 'an invalid Date'],
    ['half a microsecond', ['own-1', 0.5], 'timestamptz after anchor', 'whole microseconds after the anchor'],
    ['a row without the mark', ['other-1', 'x'], 'text', 'row 1: id does not begin with the mark own-'],
    [
      'half a surrogate pair',
      ['own-1', 'a\ud800'],
      'text',
      'row 1, column v: a text holds half of a surrogate pair',
    ],
    ['a NUL', ['own-1', 'a\0'], 'text', 'row 1, column v: a text holds a NUL'],
    ['a NUL in an array', ['own-1', ['a', '\0']], 'text[]', 'row 1, column v: a text holds a NUL'],
    ['an array in no array', ['own-1', [['x']]], 'text', 'text or a number is wanted, not an array'],
  ])('refuses %s', async (_, row, type, message) => {
    await expect(csvOf(ownFixture([row], type))).rejects.toMatchObject({
      code: 'fixture',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('encodeWhole', () => {
  it('hangs every time on the anchor', async () => {
    const fixture = ownFixture([['own-1', -1]], 'timestamptz after anchor');
    for await (const { bytes } of encodeWhole(fixture, 0n)) {
      expect(bytes.toString()).toBe('own-1,1969-12-31T23:59:59.999999Z\n');
    }
  });
});

describe('times', () => {
  it('are written to the microsecond', () => {
    expect(timestampText(1_700_000_000_123_456n)).toBe('2023-11-14T22:13:20.123456Z');
    expect(secondsText(-1_500_000)).toBe('-1.500000');
    expect(secondsText(86_400_000_000)).toBe('86400');
  });

  it('are read to the microsecond', () => {
    expect(parseTimestamp('2023-11-14T22:13:20.123456Z')).toBe(1_700_000_000_123_456n);
    expect(parseTimestamp('2023-11-14T23:13:20+01:00')).toBe(1_700_000_000_000_000n);
  });

  it.each<[text: string, as: string]>([
    ['2026-01-31T12:00Z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31 12:00:00+0530', '2026-01-31T06:30:00.000Z'],
    ['2026-01-31T12:00:00-15:59', '2026-02-01T03:59:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['0099-01-01 00:00:00+0000', '0099-01-01T00:00:00.000Z'],
    ['0050-01-01 00:00Z', '0050-01-01T00:00:00.000Z'],
  ])('reads %s', (text, as) => {
    expect(new Date(Number(parseTimestamp(text)! / 1000n)).toISOString()).toBe(as);
  });

  it.each([
    ...['yesterday', '', '2026-01-31', '2026-01-31T12Z', '2026-01-31T12:00:00'],
    ...['2026-02-30T00:00:00Z', '2023-02-29T00:00:00Z', '2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z'],
    ...['2026-01-31T24:00:00Z', '2026-01-31T12:60:00Z', '2026-01-31T12:00:60Z', '2026-01-31T12:00.5Z'],
    ...['2026-01-31T12:00:00+9900', '2026-01-31T12:00:00+16:00', '2026-01-31T12:00:00+05:60'],
    ...['0000-02-29T00:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '+10000-01-01T00:00:00Z'],
  ])('takes %s for no time', (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  });
});

describe('Dates', () => {
  it.each<[Date, type: string, as: string]>([
    [new Date(Date.UTC(2024, 1, 29, 23, 59, 59, 999)), 'timestamptz', '2024-02-29T23:59:59.999Z'],
    [new Date(Date.UTC(2024, 1, 29, 23, 59, 59, 999)), 'date', '2024-02-29'],
    [new Date(Date.UTC(12_345, 0, 1)), 'timestamp', '12345-01-01T00:00:00.000Z'],
    [new Date(Date.UTC(12_345, 0, 1)), 'date', '12345-01-01'],
    [new Date('0000-12-31T00:00:00.000Z'), 'timestamptz', '0001-12-31T00:00:00.000Z BC'],
    [new Date('-000005-03-01T00:00:00.000Z'), 'date', '0006-03-01 BC'],
    [new Date('0099-03-01T00:00:00.000Z'), 'timestamptz(3)', '0099-03-01T00:00:00.000Z'],
  ])('%o is a %s', (date, type, as) => {
    expect(encoderFor(type)(date)).toBe(as);
  });
});

describe('array literals', () => {
  it('have any number of dimensions, however the type is written', () => {
    for (const type of ['integer[]', 'integer[][]', 'integer[][][]'])
      expect(
        encoderFor(type)([
          [1, 2],
          [3, null],
        ]),
      ).toBe('{{"1","2"},{"3",NULL}}');
  });

  it('quote every element, and tell NULL from its name', () => {
    const encode = encoderFor('text[]');
    expect(encode(['a', null, 'NULL', 'b"c\\d', '', ['x']])).toBe('{"a",NULL,"NULL","b\\"c\\\\d","",{"x"}}');
    expect(encode([])).toBe('{}');
    expect(encode(null)).toBeNull();
  });
});
