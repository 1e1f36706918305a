import { loadFixture } from '../merge/load-fixture.js';
import { Session } from '../postgres/session.js';
import type { RunContext } from '../run/context.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import { stopwatch } from '../run/stopwatch.js';
import type { ScratchTables } from './scratch-tables.js';

/** How long a load took, and how many rows it inserted. */
export interface TimedLoad {
  ms: number;
  rows: number;
}

/** Loads the fixtures into the copied tables in just the way in which they were loaded into the real ones. */
export async function loadOurs(context: RunContext, tables: ScratchTables): Promise<TimedLoad> {
  const { fixtures, schema, report, citus } = tables;
  const { mode, jobs } = report;
  const quiet = { ...context, onEvent: () => undefined };
  const { base, fixtures: loaded } = await runOnFixtures(
    quiet,
    { fixtures, schemas: [schema], jobs },
    {
      survey: true,
      citus,
      privileges: ['select', 'insert'],
      work: (step) => {
        const real = report.fixtures.find(({ name }) => name === step.fixture.name)!;
        // What kept the real table's foreign keys from being checked by set may be missing in its copy.
        const mayReplicate = step.server.mayReplicate && real.foreignKeys.check === 'set';
        // Nobody else knows the tables, so no lock is waited for.
        return loadFixture({ ...step, server: { ...step.server, mayReplicate } }, { mode, lockTimeoutMs: 0 });
      },
    },
  );
  return { ms: base.timings.workMs, rows: sum(loaded.map(({ inserted }) => inserted)) };
}

/** Runs the reference load as a script would: one session, a transaction a fixture. */
export async function loadReference(
  { target, signal }: RunContext,
  tables: ScratchTables,
): Promise<TimedLoad> {
  const session = await Session.open(target, signal);
  try {
    const loading = stopwatch();
    const rows: number[] = [];
    for (const insert of tables.inserts) {
      const { rowCount } = await session.transaction(() => session.query(insert));
      rows.push(rowCount ?? 0);
    }
    return { ms: loading(), rows: sum(rows) };
  } finally {
    await session.close();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
