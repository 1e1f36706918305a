import { inspectTables } from '../table/inspect-table.js';
import { quote, quoteList, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { encodeWhole } from '../encode/encode-rows.js';
import { columnsOf, type Fixture } from '../fixtures/fixture.js';
import type { LoadReport, RatioMeasurement } from '../report/result.js';
import { copyTable } from './copy-tables.js';
import { insertReady, insertSeries } from './insert-sql.js';

/** The load of the real tables, whose way of loading the measurement repeats. */
export interface RealLoad {
  fixtures: readonly Fixture[];
  report: LoadReport;
  /** It went as into tables that Citus distributes. */
  citus: boolean | undefined;
}

/** Where both loads go. */
export interface ScratchTables extends RealLoad, Pick<RatioMeasurement, 'references' | 'leftOut'> {
  schema: string;
  /** The reference load, a statement a fixture. */
  inserts: string[];
  /** Takes all rows out of the copied tables. */
  empty: () => Promise<unknown>;
}

/** Copies the tables into a scratch schema, and gets ready what the reference load inserts. */
export async function furnish(session: Session, load: RealLoad, schema: string): Promise<ScratchTables> {
  const { fixtures, report } = load;
  // Of several schemas, the first stands for all.
  const tables = new Map<string, string>();
  for (const loaded of report.fixtures) {
    if (!tables.has(loaded.table)) tables.set(loaded.table, loaded.schema);
  }
  const leftOut: string[] = [];
  for (const [name, real] of tables) {
    const inspected = await inspectTables(session, [name], real);
    leftOut.push(...(await copyTable(session, inspected.get(name)!, schema)));
  }
  const sources: Awaited<ReturnType<typeof referenceOf>>[] = [];
  for (const [index, fixture] of fixtures.entries()) {
    sources.push(await referenceOf(session, fixture, schema, `scale_seed_ready_${index}`));
  }
  const copies = [...tables.keys()].map((name) => quote(schema, name));
  return {
    ...load,
    schema,
    leftOut,
    references: sources.map(({ fixture, source }) => ({ fixture, source })),
    inserts: sources.map(({ sql }) => sql),
    empty: () => session.query(`truncate ${copies.join(', ')}`),
  };
}

async function referenceOf(session: Session, fixture: Fixture, schema: string, readyName: string) {
  const table = quote(schema, fixture.table);
  const series = insertSeries(fixture, table);
  if (series !== undefined) return { fixture: fixture.name, source: 'generate_series' as const, sql: series };
  const ready = quoteTable({ schema, name: readyName });
  await fillReady(session, fixture, table, ready);
  return {
    fixture: fixture.name,
    source: 'a ready table' as const,
    sql: insertReady(fixture, table, ready),
  };
}

async function fillReady(session: Session, fixture: Fixture, table: string, ready: string): Promise<void> {
  const columns = quoteList(columnsOf(fixture).map(({ name }) => name));
  await session.query(
    `create unlogged table ${ready} with (autovacuum_enabled = false) as select ${columns} from ${table} with no data`,
  );
  async function* chunks(): AsyncGenerator<Buffer, void> {
    for await (const { bytes } of encodeWhole(fixture, BigInt(Date.now()) * 1000n)) yield bytes;
  }
  await session.transaction(() =>
    session.copyFrom(`copy ${ready} (${columns}) from stdin (format csv)`, chunks()),
  );
}
