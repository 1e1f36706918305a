import { stringify, type Options } from 'csv-stringify/sync';

export type CsvRecord = (string | null)[];

const PLAIN: Options = { record_delimiter: '\n', eof: true };

/** The empty string must not read as NULL; a lone `\.` ends a COPY before PostgreSQL 18. */
const CAREFUL: Options = { ...PLAIN, quoted_match: [/^$/, /^\\\.$/] };

/**
 * Records as CSV that `COPY ... (format csv)` reads back exactly: null as NULL, the empty string as itself.
 *
 * csv-stringify's sync call over batches is twice as fast as its stream, which hops through object mode row by row;
 * `quoted_match` costs two searches a field, so only batches that need it get it.
 */
export function toCsv(records: readonly CsvRecord[]): string {
  return stringify(records as CsvRecord[], records.some(needsCare) ? CAREFUL : PLAIN);
}

function needsCare(record: CsvRecord): boolean {
  return record.includes('') || (record.length === 1 && record[0] === '\\.');
}
