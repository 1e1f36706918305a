import { stage, type Staging } from '../copy/staging.js';
import { deleteRows, exceeds, foreseeDeletion, lockDeletion, type Deletion } from '../merge/delete-rows.js';
import { rounded } from '../report/rounded.js';
import { withDatabase } from '../run/context.js';
import { lockFixture } from '../run/lock-fixture.js';
import type { FixtureOptions } from '../run/options.js';
import { orAborted } from '../run/or-aborted.js';
import type { CleanedFixture, CleanReport } from '../report/result.js';
import { stopwatch } from '../run/stopwatch.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import type { Step } from '../run/step.js';

/** What is about to be deleted. */
export interface CleanPlan extends Deletion {
  fixture: string;
  schema: string;
  table: string;
}

export interface CleanOptions extends FixtureOptions {
  /**
   * Asked before each fixture is deleted, and again if by the time of the answer more would go; its rows stay where the
   * answer is false. The signal says that nobody waits for the answer any more.
   */
  confirm?: ((plan: CleanPlan, signal: AbortSignal) => Promise<boolean>) | undefined;
  /** VACUUM (ANALYZE) the tables afterwards; true by default. */
  settle?: boolean | undefined;
}

/**
 * Deletes exactly the rows of fixtures, by their keys, each fixture in one transaction, and says what the database
 * deleted or changed along with them.
 *
 * @throws ScaleSeedError `conflict` where rows that stay forbid it.
 */
export function clean(options: CleanOptions = {}): Promise<CleanReport> {
  // One question at a time.
  const own = options.confirm === undefined ? options : { ...options, jobs: 1 };
  return withDatabase(own, async (context) => {
    const { base, fixtures } = await runOnFixtures<CleanedFixture>(context, own, {
      privileges: ['select', 'delete'],
      inTurn: true,
      settle: options.settle ?? true,
      changed: ({ deleted }) => deleted > 0,
      dependents: ({ dependents }) => dependents,
      work: (step) => cleanFixture(step, options.confirm),
    });
    return rounded({ ...base, command: 'clean', fixtures });
  });
}

async function cleanFixture(step: Step, confirm: CleanOptions['confirm']): Promise<CleanedFixture> {
  const { fixture, table, enter, transaction } = step;
  const total = stopwatch();
  return transaction(async () => {
    await lockFixture(step);
    const staged = await stage(step);
    enter('clean');
    const { rows: deleted, dependents } = await deleteAgreed(step, staged, confirm);
    return {
      name: fixture.name,
      schema: table.schema,
      table: table.name,
      deleted,
      dependents,
      timings: { totalMs: total() },
    };
  });
}

/**
 * Deletes the rows where the answer is yes, and returns what went. They are locked only after it, so that nobody waits for
 * somebody who thinks; if by then more would go than was agreed to, the locks are given up for another answer.
 */
async function deleteAgreed(
  step: Step,
  staged: Staging,
  confirm: CleanOptions['confirm'],
): Promise<Deletion> {
  const { context, session, fixture, table } = step;
  const doomed = { session, fixture, table, staged };
  if (confirm === undefined) return deleteRows(doomed, await lockDeletion(doomed));
  const named = { fixture: fixture.name, schema: table.schema, table: table.name };
  for (;;) {
    const asked = await foreseeDeletion(doomed);
    const agreed =
      asked.rows > 0 && (await orAborted(confirm({ ...named, ...asked }, session.signal), session.signal));
    if (!agreed) return { rows: 0, dependents: [] };
    await session.query('savepoint agreed');
    const found = await lockDeletion(doomed);
    if (!exceeds(found, asked)) return deleteRows(doomed, found);
    await session.query('rollback to savepoint agreed');
    context.onNotice(`${fixture.name}: rows were added in the meantime, and more would go now`);
  }
}
