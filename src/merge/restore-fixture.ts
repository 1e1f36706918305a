import { stage, Staging } from '../copy/staging.js';
import type { ColumnDrift, ForeignKeyCheck } from '../report/result.js';
import { formatRows, listColumns, nameAll } from '../report/units.js';
import { SERIALIZATION_FAILURE, stepError, type Step } from '../run/step.js';
import { holdKey, type Roots } from '../table/dependents.js';
import { findReferences } from '../table/references.js';
import { eachBatch, FIRST_BATCH_ROWS } from './batches.js';
import { keepersOf } from './blocked.js';
import { compareRows } from './compare.js';
import { claimTable, holdStructure } from './claim.js';
import { lockRows } from './delete-rows.js';
import { rebuildPays } from './exclusive.js';
import { chooseForeignKeyCheck, lockParents, obstacleToSilence, setReplicationRole } from './foreign-keys.js';
import { rootsOf, type StepKeys } from './keys.js';
import type { LoadPlan } from './load-fixture.js';
import { mergeStaged } from './merge.js';
import { restoreRows } from './restore.js';
import { dropPlainIndexes, rebuildIndexes, rewriteTable, type PlainIndex } from './ddl.js';
import { Tally } from './tally.js';

/** What became of a fixture's rows. */
export interface Restored {
  /** Rows that stood. */
  restored: number;
  inserted: number;
  tally: Tally;
  fingerprint: string;
  rebuiltIndexes: string[];
  overruled: ColumnDrift[];
}

/**
 * Makes a fixture's rows what a fresh load would make of them. Where foreign keys can be checked by set, the rows are
 * deleted and loaded anew (docs/decisions/reset.md); where one cannot be added again, that is undone, and all are updated.
 */
export async function restoreFixture(
  { step, foreignKeys: { check }, locked }: Claimed,
  keys: StepKeys,
  plan: LoadPlan,
): Promise<Restored> {
  if (check === 'row') return updateRows(step, keys, check, locked);
  await step.session.query('savepoint anew');
  const loaded = await loadAnew(step, keys, plan);
  if (loaded.restored + loaded.inserted === step.fixture.count) return loaded;
  await step.session.query('rollback to savepoint anew');
  return updateRows(step, keys, check);
}

async function loadAnew(step: Step, keys: StepKeys, { mode }: LoadPlan): Promise<Restored> {
  const { session, fixture } = step;
  const { staged } = keys;
  const tally = new Tally(step, 0);
  const staging = staged ?? Staging.open(step);
  try {
    await setReplicationRole(step, 'replica');
    const deleted = await session.change(`delete ${rootsOf(step, keys).from}`);
    const isRebuilt = mode === 'exclusive' && (await rebuildPays(step, fixture.count));
    const dropped = isRebuilt ? await dropAsOrigin(step) : [];
    if (isRebuilt && deleted > 0) await rewriteTable(step);
    if (staged === undefined) await staging.copy(FIRST_BATCH_ROWS);
    step.enter('reset');
    let added = 0;
    await eachBatch(step, staging, 'reset', async (rows) => {
      await lockParents(step, staging);
      const { inserted } = await mergeStaged(step, staging, true);
      await tally.add(staging, rows, inserted);
      added += inserted;
    });
    if (dropped.length > 0) {
      step.enter('index');
      await setReplicationRole(step, 'origin');
      await rebuildIndexes(session, dropped);
    }
    const restored = Math.min(deleted, added);
    return {
      restored,
      inserted: added - restored,
      tally,
      fingerprint: staging.fingerprint(),
      rebuiltIndexes: dropped.map(({ name }) => name),
      overruled: [],
    };
  } finally {
    staging.close();
  }
}

/** Event triggers hear of it. */
async function dropAsOrigin(step: Step): Promise<PlainIndex[]> {
  await setReplicationRole(step, 'origin');
  const dropped = await dropPlainIndexes(step);
  await setReplicationRole(step, 'replica');
  return dropped;
}

/** Updates the rows that stand, and inserts the others, all at once: rows may hold each other's unique keys. */
async function updateRows(
  step: Step,
  keys: StepKeys,
  check: ForeignKeyCheck['check'],
  locked = Infinity,
): Promise<Restored> {
  const { table, tell } = step;
  const staged = keys.staged ?? (await stage(step));
  step.enter('reset');
  if (check === 'set') {
    await setReplicationRole(step, 'replica');
    await lockParents(step, staged);
  }
  const restored = await restoreRows(step, staged);
  const { inserted } = restored < staged.rows ? await mergeStaged(step, staged, false) : { inserted: 0 };
  const tally = new Tally(step, 0);
  await tally.add(staged, staged.rows, restored + inserted);
  const kept = tally.standing - inserted - restored;
  // What a trigger makes of them is told.
  if (kept > 0 && (table.rowSecurity || table.rules.length > 0)) {
    const message = `${formatRows(kept)} could not be restored: ${keepersOf(table)} kept what was there`;
    throw stepError(step, message, { code: 'conflict', hint: 'reset them as a role that may change them' });
  }
  // Rows that others have added: they would have to be restored, and what hangs on them to go. Not by what was restored: a
  // trigger may have kept rows from that.
  if (tally.standing - inserted > locked)
    throw stepError(step, 'another session has added rows of the fixture in the meantime', {
      code: 'conflict',
      sqlState: SERIALIZATION_FAILURE,
      hint: 'keep others from adding them, and run the command again',
    });
  const overruled = table.userTriggers.length > 0 ? (await compareRows(step, staged)).drift : [];
  // What a trigger makes of a row stands, as it would for anybody else's update; to verify it is drift.
  if (overruled.length > 0)
    tell(
      `${nameAll('trigger', table.userTriggers)} of ${table.name} kept or changed what was to be written: ${listColumns(overruled)}`,
    );
  return {
    restored,
    inserted,
    tally,
    fingerprint: staged.fingerprint(),
    rebuiltIndexes: [],
    overruled,
  };
}

/** A step on its table as it was claimed. */
export interface Claimed {
  step: Step;
  foreignKeys: ForeignKeyCheck;
  /** How many rows stood and were locked, where others may still add some. */
  locked?: number | undefined;
}

/**
 * Says how foreign keys are checked, the table's own and those that point at it, until the transaction ends. By set, writers
 * and whoever would refer to a row wait from here on; by row, the rows that stand are locked against new referring rows.
 */
export async function claimFixture(
  step: Step,
  keys: StepKeys,
  { mode, lockTimeoutMs }: LoadPlan,
): Promise<Claimed> {
  const roots = rootsOf(step, keys);
  const before = await foreseeCheck(step, roots);
  if (before.check === 'row') {
    const held = { ...step, table: await holdStructure(step) };
    return { step: held, foreignKeys: before, locked: await lockRows(held, roots) };
  }
  const lock = mode === 'exclusive' ? 'access exclusive' : 'exclusive';
  const table = await claimTable(step, lock, lockTimeoutMs);
  const claimed = { ...step, table };
  return { step: claimed, foreignKeys: await foreseeCheck(claimed, roots) };
}

/** The same, as far as it can be known without a lock. */
export async function foreseeCheck(step: Step, roots: Roots): Promise<ForeignKeyCheck> {
  const { session, table, server } = step;
  const row = (reason: string): ForeignKeyCheck => ({ check: 'row', reason });
  const obstacle = obstacleToSilence(table, server.mayReplicate);
  if (obstacle !== undefined) return row(obstacle);
  // Its table lock keeps nobody on a worker from referring to a row that is gone for a moment.
  if (table.distributed) return row(`Citus keeps ${table.name} on its workers: its rows are updated`);
  if (!table.privileges.delete) return row(`the role may not delete from ${table.name}`);
  const references = await findReferences(session, table);
  const other = references.find((reference) => holdKey(reference, roots) === undefined);
  if (other !== undefined)
    return row(`foreign key ${other.name} of ${other.child.name} refers to other columns than the key`);
  return chooseForeignKeyCheck(step);
}
