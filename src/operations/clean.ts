import { SETS } from '../fixtures/registry.js';
import type { RowsByTable } from '../table/dependents.js';
import {
  deleteRows,
  foreseeDeletion,
  refuseReferred,
  type Deleted,
  type Deletion,
} from '../merge/delete-rows.js';
import { foreseeRefusal } from '../merge/foresee-refusal.js';
import { foresee } from '../merge/foresee.js';
import { summarizeChecks } from '../merge/foreign-keys.js';
import { atLeast, exceed } from '../merge/hanging.js';
import { keysOf } from '../merge/keys.js';
import { ask, oneByOne, untilAgreed } from '../merge/until-agreed.js';
import type { CleanedFixture, CleanReport } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { withDatabase } from '../run/context.js';
import { askForTurn, lockFixture } from '../run/lock-fixture.js';
import type { DryRunOptions, FixtureOptions } from '../run/options.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import type { Opened } from '../postgres/session.js';
import { whichRows, type Step } from '../run/step.js';
import { stopwatch } from '../report/clock.js';
import type { Keys } from '../table/keys.js';
import type { AddOptions } from './load.js';

/** What is about to be deleted. */
export interface CleanPlan extends Deletion {
  fixture: string;
  schema: string;
  table: string;
}

export interface CleanOptions extends FixtureOptions, DryRunOptions, Pick<AddOptions, 'settle'> {
  /**
   * Asked before each fixture is deleted, and again if by the time of the answer more would go; its rows stay where the
   * answer is false. The signal says that nobody waits for the answer any more.
   */
  confirm?: ((plan: CleanPlan, signal: AbortSignal) => Promise<boolean>) | undefined;
}

/**
 * Deletes exactly the rows of fixtures, by their keys, each fixture in one transaction, and says what the database
 * deleted or changed along with them.
 *
 * @throws ScaleSeedError `conflict` where rows that stay forbid it.
 */
export function clean(options: CleanOptions = {}): Promise<CleanReport> {
  return withDatabase('clean', options, async (context) => {
    const { confirm, dryRun = false } = options;
    const gone: RowsByTable = new Map();
    const { base, fixtures } = await runOnFixtures<CleanedFixture>(context, oneByOne(options), {
      privileges: ['select', 'delete'],
      inTurn: true,
      backwards: true,
      check: (options.fixtures ?? SETS.fleet).length > 1 ? refuseReferred() : undefined,
      settle: !dryRun && (options.settle ?? true),
      changed: ({ deleted }) => deleted > 0,
      dependents: ({ dependents }) => dependents,
      reads: dryRun,
      work: (step) => (dryRun ? foreseeClean(step, gone) : cleanFixture(step, confirm)),
    });
    const foreignKeys = summarizeChecks(fixtures.map((fixture) => fixture.foreignKeys));
    return rounded({ ...base, command: 'clean', dryRun, foreignKeys, fixtures });
  });
}

async function cleanFixture(step: Step, confirm: CleanOptions['confirm']): Promise<CleanedFixture> {
  const { enter, transaction } = step;
  const total = stopwatch();
  const work = async (opened: Opened): Promise<CleanedFixture> => {
    await lockFixture(step, opened);
    const keys = await keysOf(step);
    enter('clean');
    const deleted =
      confirm === undefined ? await deleteRows(step, keys) : await deleteAgreed(step, keys, confirm);
    return resultOf(step, deleted, total());
  };
  return transaction(work, { opening: askForTurn(step) });
}

async function foreseeClean(step: Step, gone: RowsByTable): Promise<CleanedFixture> {
  const total = stopwatch();
  const look = async (): Promise<CleanedFixture> => {
    const keys = await keysOf(step);
    step.enter('clean');
    await foreseeRefusal(step, 'delete');
    return resultOf(step, await foreseeDeletion(step, keys, gone), total());
  };
  return foresee(step, look, false);
}

function resultOf(
  step: Step,
  { rows: deleted, dependents, foreignKeys }: Deleted,
  totalMs: number,
): CleanedFixture {
  return { ...whichRows(step), deleted, dependents, foreignKeys, timings: { totalMs } };
}

/** Deletes the rows where the answer is yes, and returns what went. */
function deleteAgreed(
  step: Step,
  keys: Keys,
  confirm: NonNullable<CleanOptions['confirm']>,
): Promise<Deleted> {
  const { session, fixture, table } = step;
  return untilAgreed<Deleted, Deleted>(step, {
    async foresee(found) {
      const now = await foreseeDeletion(step, keys);
      const rows = Math.max(now.rows, found?.rows ?? 0);
      return { ...now, rows, dependents: atLeast(now.dependents, found?.dependents) };
    },
    async agree({ rows, dependents }) {
      const plan = { fixture: fixture.name, schema: table.schema, table: table.name, rows, dependents };
      return rows > 0 && (await ask(session, confirm, plan));
    },
    async act(foreseen) {
      const deleted = await deleteRows(step, keys);
      const more = deleted.rows > foreseen.rows || exceed(deleted.dependents, foreseen.dependents);
      return more ? { more: deleted } : { done: deleted };
    },
    refused: (foreseen) => ({ ...foreseen, rows: 0, dependents: [] }),
  });
}
