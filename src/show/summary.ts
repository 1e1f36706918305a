import type { Failure, FixtureResult, ReportBase } from '../report/result.js';
import { ofSeveral } from '../report/schemas.js';
import { formatCount, inOneLine } from '../report/units.js';
import { describeFailure } from './describe.js';

/** A report for people, before it is laid out: a table, then remarks. */
export interface Summary {
  title: string;
  /** The first line is the head. */
  table: string[][];
  remarks: string[];
  /** A second report in the same run. */
  next?: Summary;
}

/** Columns of text; all others hold numbers, which stand on the right. */
export const TEXT_COLUMNS = ['schema', 'fixture', 'table', 'fingerprint', 'check', 'outcome', 'reason'];

/** What each column says of a fixture; a number is a count. */
type Columns<Row> = Record<string, (row: Row) => string | number>;

/** A line for each fixture; where there are several schemas, with the schema in front. */
export function tableOf<Row extends FixtureResult>(
  report: { fixtures: readonly Row[]; failures: readonly Failure[] },
  columns: Columns<Row>,
): string[][] {
  const all: Columns<Row> = {
    ...(ofSeveral(report) ? { schema: ({ schema }) => schema } : {}),
    fixture: ({ name }) => name,
    table: ({ table }) => table,
    ...columns,
  };
  const lines = report.fixtures.map((row) =>
    Object.values(all).map((cellOf) => {
      const cell = cellOf(row);
      return typeof cell === 'number' ? formatCount(cell) : cell;
    }),
  );
  return [Object.keys(all), ...lines];
}

/** The same summary with a last remark under the last of its parts: where all of it was, and what it took. */
export function withMachine(summary: Summary, report: ReportBase): Summary {
  const { next, remarks } = summary;
  if (next !== undefined) return { ...summary, next: withMachine(next, report) };
  const { server, database, peakRssBytes } = report;
  const peakMib = Math.round(peakRssBytes / (1024 * 1024));
  const machine = `PostgreSQL ${server.version} at ${database}; peak memory ${peakMib} MiB`;
  return { ...summary, remarks: [...remarks, machine] };
}

/** The same summary with nothing that breaks a line: names and values are the database's. */
export function inLines({ title, table, remarks, next }: Summary): Summary {
  return {
    title: inOneLine(title),
    table: table.map((cells) => cells.map(inOneLine)),
    remarks: remarks.map(inOneLine),
    ...(next === undefined ? {} : { next: inLines(next) }),
  };
}

/** What failed in one schema or another. */
export function failureRemark({ schema, ...failure }: Failure): string {
  return `${schema === null ? '' : `${inOneLine(schema)}: `}${describeFailure(failure).join('; ')}`;
}
