import { Session } from '../postgres/session.js';
import type { Database } from '../run/with-database.js';
import { loadFixture, type Loaded } from '../merge/load-fixture.js';
import { stopwatch } from '../run/stopwatch.js';
import { runOnFixtures } from '../run/run.js';
import type { Place } from './place.js';

/** How long a load took, and how many rows it inserted. */
export interface TimedLoad {
  ms: number;
  rows: number;
}

/** Loads the fixtures into the copied tables in just the way in which they were loaded into the real ones. */
export async function loadOurs(database: Database, place: Place): Promise<TimedLoad> {
  const { fixtures, schema, report, citus } = place;
  const quiet = { ...database, onEvent: () => undefined };
  const { results, workMs } = await runOnFixtures<Loaded>(
    quiet,
    { fixtures, schema },
    {
      jobs: report.jobs,
      parents: 'ignore',
      guard: false,
      survey: true,
      citus,
      needs: ['select', 'insert'],
      settle: false,
      changed: () => false,
      work: (step) => {
        const real = report.fixtures.find(({ name }) => name === step.fixture.name)!;
        // What kept the real table's foreign keys from being checked by set may be missing in its copy.
        const mayReplicate = step.prepared.mayReplicate && real.foreignKeys.check === 'set';
        const prepared = { ...step.prepared, mayReplicate };
        // Nobody else knows the tables, so no lock is waited for.
        const plan = { mode: report.mode, lockTimeoutMs: 0, parts: real.transactions > 1 };
        return loadFixture({ ...step, prepared }, plan, real.transactions);
      },
    },
  );
  return { ms: workMs, rows: sum(results.map(({ inserted }) => inserted)) };
}

/** Runs the reference load as a script would: one session, a transaction a fixture. */
export async function loadReference({ target, signal }: Database, place: Place): Promise<TimedLoad> {
  const session = await Session.open(target, signal);
  try {
    const loading = stopwatch();
    const rows: number[] = [];
    for (const insert of place.inserts) {
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
