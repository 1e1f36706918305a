import { messageOf, ScaleSeedError } from '../errors.js';
import { columnsOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import { readRows, type Row } from '../fixtures/read-rows.js';
import { toCsv, type CsvRecord } from './csv.js';
import { encoderFor, type Encoder } from '../fixtures/column-types.js';

/** A piece of CSV that holds whole rows. */
export interface Chunk {
  bytes: Buffer;
  rows: number;
}

export interface EncodeOptions {
  /** First and last row, both included; the whole fixture by default. */
  first?: number;
  last?: number;
}

/**
 * One CopyData frame and two socket writes go with every chunk, so a chunk is tens of KiB: the number of rows follows
 * from how wide the last ones were. The first chunk is small, in case a single row is large.
 */
const CHUNK_BYTES = 32 * 1024;
const FIRST_CHUNK_ROWS = 50;
const MAX_CHUNK_ROWS = 1000;

/** The columns that vary, as CSV for a staging table. */
export function encodeVarying(fixture: Fixture, options: EncodeOptions = {}): AsyncGenerator<Chunk, void> {
  return encode(fixture, varyingColumns(fixture), options);
}

function varyingColumns(fixture: Fixture): EncodedColumn[] {
  return Object.entries(fixture.columns).map(([name, type], index) => ({
    name,
    encode: encoderFor(type),
    value: (row) => row[index],
  }));
}

/** Every column, in canonical order, as CSV for the table itself; times hang on `anchorUs`, microseconds since 1970. */
export function encodeWhole(fixture: Fixture, anchorUs: bigint): AsyncGenerator<Chunk, void> {
  return encode(fixture, allColumns(fixture, anchorUs), {});
}

/** The same rows as text, column by column, in batches. */
export async function* wholeRecords(fixture: Fixture, anchorUs: bigint): AsyncGenerator<CsvRecord[], void> {
  for await (const { records } of readRecords(fixture, allColumns(fixture, anchorUs), {})) yield records;
}

/** The row of a fixture in whose CSV a line is, counted from 1 at row `first`: a text may hold several lines. */
export async function rowAtLine(fixture: Fixture, first: number, line: number): Promise<number> {
  let row = first;
  let lines = 0;
  for await (const { records } of readRecords(fixture, varyingColumns(fixture), { first })) {
    for (const record of records) {
      lines += toCsv([record]).split('\n').length - 1;
      if (lines >= line) return row;
      row += 1;
    }
  }
  return row;
}

function allColumns(fixture: Fixture, anchorUs: bigint): EncodedColumn[] {
  const varying = Object.keys(fixture.columns);
  return columnsOf(fixture).map((column) => ({
    name: column.name,
    encode: encoderFor(column.type, anchorUs),
    value: valueOf(column, varying),
  }));
}

interface EncodedColumn {
  name: string;
  encode: Encoder;
  value: (row: Row) => unknown;
}

function valueOf(column: FixtureColumn, varying: readonly string[]): EncodedColumn['value'] {
  if (column.kind === 'constant') return () => column.value;
  const index = varying.indexOf(column.kind === 'varying' ? column.name : column.from);
  const isArray = column.kind === 'derived' && column.wrap === 'array';
  return isArray ? (row) => [row[index]] : (row) => row[index];
}

async function* encode(
  fixture: Fixture,
  columns: readonly EncodedColumn[],
  options: EncodeOptions,
): AsyncGenerator<Chunk, void> {
  for await (const { records, rows, first, sent } of readRecords(fixture, columns, options)) {
    const csv = toCsv(records);
    if (!csv.isWellFormed()) throw notUnicode(fixture, rows, first);
    const bytes = Buffer.from(csv);
    sent(bytes.length);
    yield { bytes, rows: rows.length };
  }
}

/** Rows of text, encoded but not yet CSV, with a way to say how many bytes they came to. */
interface Batch {
  records: CsvRecord[];
  rows: readonly Row[];
  first: number;
  sent: (bytes: number) => void;
}

async function* readRecords(
  fixture: Fixture,
  columns: readonly EncodedColumn[],
  { first = 1, last = fixture.count }: EncodeOptions,
): AsyncGenerator<Batch, void> {
  const reader = readRows(fixture, first, last);
  let next = first;
  let maxRows = FIRST_CHUNK_ROWS;
  try {
    for (let rows = await reader.read(maxRows); rows.length > 0; rows = await reader.read(maxRows)) {
      const count = rows.length;
      yield {
        records: rows.map((row, index) => encodeRow(fixture, columns, row, next + index)),
        rows,
        first: next,
        sent: (bytes) => {
          maxRows = Math.min(MAX_CHUNK_ROWS, Math.ceil((CHUNK_BYTES / bytes) * count));
        },
      };
      next += count;
    }
  } finally {
    await reader.close();
  }
}

function encodeRow(fixture: Fixture, columns: readonly EncodedColumn[], row: Row, number: number): CsvRecord {
  const record: CsvRecord = [];
  for (const { name, encode, value } of columns) {
    try {
      record.push(encode(value(row)));
    } catch (error) {
      throw badValue(fixture, `row ${number}, column ${name}: ${messageOf(error)}`, error);
    }
  }
  return record;
}

/** UTF-8 has no half of a surrogate pair; Buffer.from would replace it without a word. */
function notUnicode(fixture: Fixture, rows: readonly Row[], first: number): ScaleSeedError {
  const index = rows.findIndex(
    (row) => !row.every((value) => typeof value !== 'string' || value.isWellFormed()),
  );
  const where = index === -1 ? `rows ${first} to ${first + rows.length - 1}` : `row ${first + index}`;
  return badValue(fixture, `${where}: a text holds half of a surrogate pair`);
}

function badValue(fixture: Fixture, problem: string, cause?: unknown): ScaleSeedError {
  return new ScaleSeedError(`fixture ${fixture.name}: ${problem}`, {
    code: 'fixture',
    phase: 'copy',
    fixture: fixture.name,
    table: fixture.table,
    cause,
  });
}
