import { messageOf, type ScaleSeedError } from '../errors.js';
import { columnsOf, fixtureError, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import { readRows, type Row } from '../fixtures/read-rows.js';
import { isPlain, toCsv, type CsvRecord } from './csv.js';
import { encoderFor, type Encoder } from '../fixtures/column-types.js';

/** A piece of CSV that holds whole rows. */
export interface Chunk {
  bytes: Buffer;
  rows: number;
}

/**
 * One CopyData frame and two socket writes go with every chunk, so a chunk is tens of KiB. It is written a few rows at a
 * time, so that they are garbage while they are young: docs/decisions/plain-csv.md. Where a row is large, one at a time.
 */
const CHUNK_BYTES = 32 * 1024;
const BATCH_ROWS = 50;

/** The columns that vary, as CSV for a staging table, from row `first` on. */
export function encodeVarying(fixture: Fixture, first = 1): AsyncGenerator<Chunk, void> {
  return encode(fixture, varyingColumns(fixture), first);
}

/** Every column, in canonical order, as CSV for the table itself; times hang on `anchorUs`, microseconds since 1970. */
export function encodeWhole(fixture: Fixture, anchorUs: bigint): AsyncGenerator<Chunk, void> {
  return encode(fixture, encodedColumns(fixture, anchorUs));
}

/** The same rows as text, column by column, in batches. */
export function wholeRecords(fixture: Fixture, anchorUs: bigint): AsyncGenerator<CsvRecord[], void> {
  return encodeBatches(fixture, encodedColumns(fixture, anchorUs));
}

/** The row of a fixture in whose CSV a line is, counted from 1 at row `first`: a text may hold several lines. */
export async function rowAtLine(fixture: Fixture, first: number, line: number): Promise<number> {
  let row = first;
  let lines = 0;
  for await (const records of encodeBatches(fixture, varyingColumns(fixture), first)) {
    for (const record of records) {
      lines += toCsv([record]).split('\n').length - 1;
      if (lines >= line) return row;
      row += 1;
    }
  }
  return row;
}

interface EncodedColumn {
  name: string;
  encode: Encoder;
  value: (row: Row) => unknown;
}

function encodedColumns(fixture: Fixture, anchorUs?: bigint): EncodedColumn[] {
  const varying = Object.keys(fixture.columns);
  return columnsOf(fixture).map((column) => ({
    name: column.name,
    encode: encoderFor(column.type, anchorUs),
    value: valueOf(column, varying),
  }));
}

/** Those come first. */
function varyingColumns(fixture: Fixture): EncodedColumn[] {
  return encodedColumns(fixture).slice(0, Object.keys(fixture.columns).length);
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
  first = 1,
): AsyncGenerator<Chunk, void> {
  const reader = readRows(fixture, first);
  let [next, maxRows] = [first, BATCH_ROWS];
  let pieces: Buffer[] = [];
  let [rows, bytes] = [0, 0];
  try {
    for (;;) {
      const batch = { rows: await reader.read(maxRows), first: next };
      const count = batch.rows.length;
      if (count > 0) {
        const csv = join(columns, batch.rows) ?? toCsv(encodeBatch(fixture, columns, batch));
        if (!csv.isWellFormed()) throw notUnicode(fixture, batch);
        const piece = Buffer.from(csv);
        maxRows = Math.min(BATCH_ROWS, Math.ceil((CHUNK_BYTES / piece.length) * count));
        pieces.push(piece);
        rows += count;
        bytes += piece.length;
        next += count;
        // The first chunk is small: whoever makes it once more to compare has little to do.
        if (bytes < CHUNK_BYTES && batch.first > first) continue;
      }
      if (rows > 0) yield { bytes: Buffer.concat(pieces), rows };
      if (count === 0) return;
      [pieces, rows, bytes] = [[], 0, 0];
    }
  } finally {
    await reader.close();
  }
}

interface Batch {
  rows: readonly Row[];
  /** Number of the first. */
  first: number;
}

async function* encodeBatches(
  fixture: Fixture,
  columns: readonly EncodedColumn[],
  first = 1,
): AsyncGenerator<CsvRecord[], void> {
  const reader = readRows(fixture, first);
  let next = first;
  try {
    for (let rows = await reader.read(BATCH_ROWS); rows.length > 0; rows = await reader.read(BATCH_ROWS)) {
      yield encodeBatch(fixture, columns, { rows, first: next });
      next += rows.length;
    }
  } finally {
    await reader.close();
  }
}

/** Rows as CSV where no field needs a quote, in a quarter of csv-stringify's time; else undefined. */
function join(columns: readonly EncodedColumn[], rows: readonly Row[]): string | undefined {
  let csv = '';
  try {
    for (const row of rows) {
      for (let c = 0; c < columns.length; c++) {
        const { encode, value } = columns[c]!;
        const field = encode(value(row));
        if (c > 0) csv += ',';
        if (field === null) continue;
        if (!isPlain(field)) return undefined;
        csv += field;
      }
      csv += '\n';
    }
    return csv;
  } catch {
    return undefined;
  }
}

function encodeBatch(
  fixture: Fixture,
  columns: readonly EncodedColumn[],
  { rows, first }: Batch,
): CsvRecord[] {
  return rows.map((row, index) =>
    columns.map(({ name, encode, value }) => {
      try {
        const field = encode(value(row));
        if (field?.includes('\0') === true) throw new TypeError('a text holds a NUL');
        return field;
      } catch (error) {
        const problem = `row ${first + index}, column ${name}: ${messageOf(error)}`;
        throw fixtureError(fixture, problem, { cause: error });
      }
    }),
  );
}

/** UTF-8 has no half of a surrogate pair; Buffer.from would replace it without a word. */
function notUnicode(fixture: Fixture, { rows, first }: Batch): ScaleSeedError {
  const isHalf = (value: unknown): boolean => typeof value === 'string' && !value.isWellFormed();
  const index = rows.findIndex((row) => row.some(isHalf));
  const column = Object.keys(fixture.columns)[rows[index]?.findIndex(isHalf) ?? -1];
  const where =
    column === undefined
      ? `rows ${first} to ${first + rows.length - 1}`
      : `row ${first + index}, column ${column}`;
  return fixtureError(fixture, `${where}: a text holds half of a surrogate pair`);
}
