import type { TableName } from '../report/table-name.js';
import type { ForeignKeyCheck } from '../report/result.js';
import type { Step } from '../run/step.js';
import { rowsOf, type TableInfo } from '../table/inspect-table.js';
import type { Standing } from '../table/survey.js';
import { claimTable, foreseeClaim, takeOverForeignKeys } from './claim.js';
import { chooseForeignKeyCheck, setReplicationRole } from './foreign-keys.js';
import {
  addForeignKeys,
  dropForeignKeys,
  findDroppable,
  holdsMore,
  type PlainForeignKey,
} from './rebuild-foreign-keys.js';
import { dropPlainIndexes, rebuildIndexes, type PlainIndex } from './ddl.js';

/** A table that a load has for itself. */
export interface Exclusive {
  table: TableInfo;
  /** The tables to which foreign keys refer that are to be dropped: they are locked, too. */
  parents: TableName[];
  /** Why none may be, where that would help. */
  obstacle: string | undefined;
  rowsToCome: number;
}

/** Locks a table for a load, and the tables to which it refers where their foreign keys are to be dropped. */
export async function takeTable(step: Step, standing: Standing, limitMs: number): Promise<Exclusive> {
  const rowsToCome = likelyToCome(step, standing);
  const { keys, obstacle } = await findDroppable(step, rowsToCome);
  const parents = keys.map(({ parent }) => parent);
  const table = await claimTable(step, 'access exclusive', limitMs, parents);
  return { table, parents, obstacle, rowsToCome };
}

/** Where a fixture's key does not count, its mark says how many of its rows stand. */
function likelyToCome({ fixture }: Step, { upTo, present }: Standing): number {
  return fixture.count - Math.max(upTo, present);
}

/** Whether it pays to make indexes and foreign keys anew: that costs all rows, keeping them up only the new ones. */
export async function rebuildPays({ session, table }: Step, rowsToCome: number): Promise<boolean> {
  if (!table.privileges.owner || !table.plain) return false;
  return rowsToCome >= (await session.count(`from ${rowsOf(table)}`));
}

/** What a table lacks while it is loaded, and how its foreign keys are checked. */
export interface Dismantled {
  table: TableInfo;
  foreignKeys: ForeignKeyCheck;
  indexes: PlainIndex[];
  keys: PlainForeignKey[];
}

/** Drops what is quicker to make anew than to keep up, where the load has `taken` the table. */
export async function dismantle(step: Step, taken: Exclusive | undefined): Promise<Dismantled> {
  const { table, foreignKeys } = await takeOverForeignKeys(step, taken?.table);
  if (taken === undefined) return { table, foreignKeys, keys: [], indexes: [] };
  const pays = await rebuildPays(step, taken.rowsToCome);
  const obstacle = pays || taken.parents.length === 0 ? taken.obstacle : holdsMore(table);
  const keys = pays ? await dropForeignKeys({ ...step, table }, taken.parents) : [];
  const indexes = pays ? await dropPlainIndexes(step) : [];
  return { table, foreignKeys: checkedBy(foreignKeys, keys, obstacle), keys, indexes };
}

/** How foreign keys would be checked, as far as that can be known without a lock. */
export async function foreseeExclusive(step: Step, standing: Standing): Promise<ForeignKeyCheck> {
  await foreseeClaim(step);
  const rowsToCome = likelyToCome(step, standing);
  const { keys, obstacle } = await findDroppable(step, rowsToCome);
  const check = chooseForeignKeyCheck(step);
  if (keys.length === 0 || (await rebuildPays(step, rowsToCome))) return checkedBy(check, keys, obstacle);
  return checkedBy(check, [], holdsMore(step.table));
}

function checkedBy(
  { check, reason }: ForeignKeyCheck,
  dropped: readonly PlainForeignKey[],
  obstacle: string | undefined,
): ForeignKeyCheck {
  if (dropped.length > 0) return REBUILT;
  return { check, reason: obstacle === undefined ? reason : `${reason}; nor are they dropped: ${obstacle}` };
}

const REBUILT: ForeignKeyCheck = {
  check: 'set',
  reason: 'PostgreSQL checks each once: they are dropped and added again, with their parents locked',
};

/** Makes again what was dropped. */
export async function rebuild(step: Step, { indexes, keys }: Dismantled): Promise<void> {
  const { session, server, enter } = step;
  if (indexes.length + keys.length === 0) return;
  enter('index');
  if (server.mayReplicate) await setReplicationRole(step, 'origin');
  // A table with constraints that are yet to be checked cannot be altered.
  session.soon('set constraints all immediate');
  await rebuildIndexes(session, indexes);
  await addForeignKeys(step, keys);
}
