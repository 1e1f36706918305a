import { stringify, type Options } from 'csv-stringify/sync';

export type CsvRecord = (string | null)[];

const PLAIN: Options = { record_delimiter: '\n', eof: true };

/**
 * The empty string must not read as NULL; a lone `\.` ends a COPY before PostgreSQL 18; a carriage return reads as the
 * end of a row unless it is quoted.
 */
const CAREFUL: Options = { ...PLAIN, quoted_match: [/^$/, /^\\\.$/], quote_record_delimiter: true };

/** What csv-stringify may have to quote, and NUL, which no text of PostgreSQL's holds. */
const SPECIAL = /[",\n\r\\\0]|^$/;

/** Whether a field stands in CSV as it is. */
export function isPlain(field: string): boolean {
  return !SPECIAL.test(field);
}

/** Records as CSV that COPY reads back exactly. CAREFUL costs five searches a field: only batches that need it get it. */
export function toCsv(records: readonly CsvRecord[]): string {
  const csv = stringify(records as CsvRecord[], PLAIN);
  const careful = records.some(
    (record) => record.includes('') || (record.length === 1 && record[0] === '\\.'),
  );
  return careful || csv.includes('\r') ? stringify(records as CsvRecord[], CAREFUL) : csv;
}
