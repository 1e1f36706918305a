import { availableParallelism } from 'node:os';
import { createTempStaging, copyIntoStaging, TEMP_STAGING } from './copy/staging.js';
import { lockFixture } from './database/lock-fixture.js';
import { countPresent } from './database/marks.js';
import { onSessions } from './database/on-sessions.js';
import { prepare, type Prepared } from './database/prepare.js';
import type { Session } from './database/session.js';
import { settleTables } from './database/settle.js';
import { translateError } from './database/translate-error.js';
import { withDatabase, type Database } from './database/with-database.js';
import { timestampText } from './encode/timestamp.js';
import { withState, type Phase } from './errors.js';
import { Fingerprint } from './fixtures/fingerprint.js';
import type { Fixture } from './fixtures/fixture.js';
import { SETS } from './fixtures/registry.js';
import { mergeStaging } from './merge/merge.js';
import type { FixtureOptions } from './options.js';
import { REPORT_VERSION, type LoadedFixture, type LoadReport } from './report/result.js';
import { stopwatch } from './report/stopwatch.js';

export interface LoadOptions extends FixtureOptions {
  /** Sessions at work at once; by default one a fixture, as far as there are cores. */
  jobs?: number | undefined;
  /** Insert the parent rows that are missing. */
  createParents?: boolean | undefined;
  /** Load into a database that looks like a real fleet. */
  force?: boolean | undefined;
  /** VACUUM (ANALYZE) the tables after the load; true by default. */
  settle?: boolean | undefined;
}

/**
 * Loads fixtures: rows that stand are left alone, rows that are missing are added, each fixture in one transaction.
 *
 * @throws ScaleSeedError; fixtures that had been committed by then stand, and its `state` names them.
 */
export function load(options: LoadOptions = {}): Promise<LoadReport> {
  return withDatabase(options, (database) => loadInto(database, options));
}

async function loadInto(database: Database, options: LoadOptions): Promise<LoadReport> {
  const { fixtures = SETS.fleet, schema, waitMs = 0, settle = true } = options;
  const startedAt = new Date().toISOString();
  const total = stopwatch();
  const connect = stopwatch();
  const prepared = await prepare(database, {
    fixtures,
    schema,
    waitMs,
    parents: options.createParents === true ? 'create' : 'require',
    guard: options.force !== true,
  });
  const connectMs = connect();
  const jobs = options.jobs ?? Math.max(2, availableParallelism());
  try {
    const loading = stopwatch();
    const loaded = await loadAll(database, prepared, fixtures, jobs);
    const loadMs = loading();
    const settling = stopwatch();
    const changed = fixtures.filter((_, index) => (loaded[index]?.inserted ?? 0) > 0);
    if (settle) await settleTables(database, prepared.session, tablesOf(changed, prepared));
    const settleMs = settling();
    return {
      version: REPORT_VERSION,
      command: 'load',
      startedAt,
      database: database.target.display,
      server: { version: prepared.server.version },
      jobs,
      anchor: timestampText(prepared.anchorUs),
      foreignKeys: { check: 'row', reason: 'the foreign keys’ own triggers check every row' },
      fixtures: loaded,
      timings: { connectMs, loadMs, settleMs, totalMs: total() },
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    await prepared.session.close();
  }
}

async function loadAll(
  database: Database,
  prepared: Prepared,
  fixtures: readonly Fixture[],
  jobs: number,
): Promise<LoadedFixture[]> {
  const committed = new Map<Fixture, LoadedFixture>();
  try {
    return await onSessions(database, prepared.session, fixtures, jobs, async (session, fixture) => {
      const loaded = await loadFixture(database, prepared, session, fixture);
      committed.set(fixture, loaded);
      return loaded;
    });
  } catch (error) {
    throw withState(translateError(error, { phase: 'copy' }), stateOf(fixtures, committed));
  } finally {
    for (const fixture of fixtures) {
      const line = committed.get(fixture)?.confirmation;
      if (line !== undefined) database.onEvent({ type: 'confirmation', fixture: fixture.name, line });
    }
  }
}

/** One fixture, all or nothing: copied into a staging table and merged from there in one transaction. */
async function loadFixture(
  { onEvent, onNotice }: Database,
  { tableOf, anchorUs }: Prepared,
  session: Session,
  fixture: Fixture,
): Promise<LoadedFixture> {
  const { name, count: totalRows } = fixture;
  const table = tableOf(fixture);
  const enter = (phase: 'copy' | 'merge'): Phase => {
    onEvent({ type: 'phase', fixture: name, table: table.name, phase, totalRows });
    return phase;
  };
  let phase: Phase = 'prepare';
  try {
    const total = stopwatch();
    const fingerprint = new Fingerprint(fixture);
    const { copied, inserted, copyMs, mergeMs } = await session.transaction(async () => {
      await lockFixture(session, fixture, table, onNotice);
      phase = enter('copy');
      const copying = stopwatch();
      await createTempStaging(session, fixture);
      const copied = await copyIntoStaging(session, fixture, TEMP_STAGING, {
        fingerprint,
        onRows: (rows) => {
          onEvent({ type: 'progress', fixture: name, phase: 'copy', rows, totalRows });
        },
      });
      const copyMs = copying();
      phase = enter('merge');
      const merging = stopwatch();
      const inserted = await mergeStaging(session, fixture, table, TEMP_STAGING, timestampText(anchorUs));
      return { copied, inserted, copyMs, mergeMs: merging() };
    });
    const totalMs = total();
    const present = await countPresent(session, fixture, table);
    onEvent({ type: 'done', fixture: name, rows: copied.rows });
    return {
      name,
      table: table.name,
      schema: table.schema,
      rows: copied.rows,
      inserted,
      skipped: copied.rows - inserted,
      present,
      fingerprint: fingerprint.digest(),
      copiedBytes: copied.bytes,
      timings: { copyMs, mergeMs, totalMs },
      rowsPerSecond: Math.round(copied.rows / (totalMs / 1000)),
      confirmation: fixture.confirmation(present),
    };
  } catch (error) {
    throw translateError(error, { phase, fixture: name, table: `${table.schema}.${table.name}` });
  }
}

function tablesOf(fixtures: readonly Fixture[], { tableOf }: Prepared): ReturnType<Prepared['tableOf']>[] {
  return [...new Set(fixtures.map(tableOf))];
}

function stateOf(fixtures: readonly Fixture[], committed: ReadonlyMap<Fixture, LoadedFixture>): string {
  const stands = fixtures.filter((fixture) => committed.has(fixture)).map(({ name }) => name);
  const undone = fixtures.filter((fixture) => !committed.has(fixture)).map(({ name }) => name);
  const standing = stands.length === 0 ? '' : `${stands.join(', ')} committed; `;
  return `${standing}nothing of ${undone.join(', ')} was changed`;
}
