import type { Failure, FixtureResult, ReportBase } from '../report/result.js';
import { formatCount, formatMib } from '../report/units.js';

/** A report for people, before it is laid out: a table, then remarks. */
export interface Summary {
  title: string;
  head: string[];
  rows: string[][];
  /** Columns of numbers. */
  right: number[];
  remarks: string[];
  /** A second report in the same run. */
  next?: Summary;
}

/** A column of numbers or of text: its name, and what it says of a fixture. */
export interface Column<Row> {
  name: string;
  of: (row: Row) => string;
  number?: true;
}

/** A row for each fixture; where there are several schemas, with the schema in front. */
export function tableOf<Row extends FixtureResult>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Pick<Summary, 'head' | 'rows' | 'right'> {
  const several = new Set(rows.map(({ schema }) => schema)).size > 1;
  const all: Column<Row>[] = [
    ...(several ? [{ name: 'schema', of: ({ schema }: Row) => schema }] : []),
    { name: 'fixture', of: ({ name }) => name },
    ...columns,
  ];
  return {
    head: all.map(({ name }) => name),
    rows: rows.map((row) => all.map(({ of }) => of(row))),
    right: all.flatMap(({ number }, index) => (number === true ? [index] : [])),
  };
}

/** A column of counts. */
export function counted<Row>(name: string, of: (row: Row) => number): Column<Row> {
  return { name, of: (row) => formatCount(of(row)), number: true };
}

/** The same summary with a last remark under the last of its parts: where all of it was, and what it took. */
export function withMachine(summary: Summary, report: ReportBase): Summary {
  const { next, remarks } = summary;
  if (next !== undefined) return { ...summary, next: withMachine(next, report) };
  const { server, database, peakRssBytes } = report;
  const machine = `PostgreSQL ${server.version} at ${database}; peak memory ${formatMib(peakRssBytes)}`;
  return { ...summary, remarks: [...remarks, machine] };
}

/** What failed in one schema or another. */
export function failureRemark({ schema, message, state, hint }: Failure): string {
  const parts = [message, ...(state ? [`now: ${state}`] : []), ...(hint ? [`try: ${hint}`] : [])];
  return `${schema === null ? '' : `${schema}: `}${parts.join('; ')}`;
}

/** How many of something a report's fixtures have in all. */
export function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
