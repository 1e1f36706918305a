import { stage } from '../copy/staging.js';
import type { Fixture } from '../fixtures/fixture.js';
import { Tally } from '../merge/blocked.js';
import { compareRows } from '../merge/compare.js';
import { mergeStaged } from '../merge/merge.js';
import { restoreRows } from '../merge/restore.js';
import type { ColumnDrift, ResetFixture, ResetReport } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { formatCount } from '../report/units.js';
import { withDatabase } from '../run/context.js';
import { lockFixture } from '../run/lock-fixture.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import type { Step } from '../run/step.js';
import { stopwatch } from '../run/stopwatch.js';
import type { TableInfo } from '../table/inspect-table.js';
import { countPresent } from '../table/marks.js';
import { needsToAdd, type AddOptions } from './load.js';

export type ResetOptions = AddOptions;

/**
 * Puts the rows of fixtures back to what a fresh load would make of them, on a fresh anchor, and adds those that are
 * missing; touches no other row. Each fixture in one transaction.
 *
 * @throws ScaleSeedError; fixtures that had been committed by then stand, and its `state` names them.
 */
export function reset(options: ResetOptions = {}): Promise<ResetReport> {
  return withDatabase(options, async (context) => {
    const { base, anchor, fixtures } = await runOnFixtures<ResetFixture>(context, options, {
      ...needsToAdd(options),
      privileges: ['select', 'insert', 'update'],
      inTurn: true,
      changed: ({ restored, inserted }) => restored + inserted > 0,
      work: resetFixture,
    });
    return rounded({ ...base, command: 'reset', anchor, fixtures });
  });
}

async function resetFixture(step: Step): Promise<ResetFixture> {
  const { context, session, fixture, table, enter, transaction } = step;
  const { anchor } = step.server;
  const total = stopwatch();
  return transaction(async () => {
    await lockFixture(step);
    const staged = await stage(step);
    enter('reset');
    const restored = await restoreRows(session, fixture, table, staged, anchor);
    const { inserted } = await mergeStaged(session, fixture, table, staged, anchor, false);
    if (table.userTriggers.length > 0) {
      const { drift } = await compareRows(session, fixture, table, staged);
      if (drift.length > 0) context.onNotice(overruled(fixture, table, drift));
    }
    const tally = new Tally(step, 0);
    await tally.add(staged, staged.rows, restored + inserted);
    return {
      name: fixture.name,
      schema: table.schema,
      table: table.name,
      restored,
      ...tally.counts(fixture.count, inserted, await countPresent(session, fixture, table)),
      fingerprint: staged.fingerprint(),
      timings: { totalMs: total() },
    };
  });
}

/** What a trigger makes of a row stands, as it would for anybody else's update; to verify it is drift. */
function overruled(fixture: Fixture, table: TableInfo, drift: readonly ColumnDrift[]): string {
  const triggers = `triggers of ${table.name} (${table.userTriggers.join(', ')})`;
  const columns = drift.map(({ column, rows }) => `${column} in ${formatCount(rows)} rows`);
  return `${fixture.name}: ${triggers} changed what was written: ${columns.join(', ')}`;
}
