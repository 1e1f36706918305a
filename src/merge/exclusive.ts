import type { TableName } from '../report/table-name.js';
import type { ForeignKeyCheck } from '../report/result.js';
import type { Step } from '../run/step.js';
import { rowsOf, type TableInfo } from '../table/inspect-table.js';
import { claimTable, takeOverForeignKeys } from './claim.js';
import { setReplicationRole } from './foreign-keys.js';
import {
  addForeignKeys,
  dropForeignKeys,
  findDroppable,
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
}

/** Locks a table for a load, and the tables to which it refers where their foreign keys are to be dropped. */
export async function takeTable(step: Step, rowsToCome: number, limitMs: number): Promise<Exclusive> {
  const { keys, obstacle } = await findDroppable(step, step.table, rowsToCome);
  const parents = keys.map(({ parent }) => parent);
  const table = await claimTable(step, 'access exclusive', limitMs, parents);
  return { table, parents, obstacle };
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
export async function dismantle(
  step: Step,
  taken: Exclusive | undefined,
  rowsToCome: number,
): Promise<Dismantled> {
  const { table, foreignKeys } = await takeOverForeignKeys(step, taken?.table);
  const asItIs = { table, foreignKeys, keys: [], indexes: [] };
  if (taken === undefined || !(await rebuildPays(step, rowsToCome))) return asItIs;
  const keys = await dropForeignKeys(step, table, taken.parents);
  const indexes = await dropPlainIndexes(step);
  if (keys.length > 0) return { table, foreignKeys: REBUILT, keys, indexes };
  const obstacle = taken.obstacle === undefined ? '' : `; nor are they dropped: ${taken.obstacle}`;
  const { check, reason } = foreignKeys;
  return { ...asItIs, foreignKeys: { check, reason: `${reason}${obstacle}` }, indexes };
}

const REBUILT: ForeignKeyCheck = {
  check: 'set',
  reason: 'PostgreSQL checked each once: they were dropped and added again, with their parents locked',
};

/** Makes again what was dropped. */
export async function rebuild(step: Step, { table, indexes, keys }: Dismantled): Promise<void> {
  const { session, server, enter } = step;
  if (indexes.length + keys.length === 0) return;
  enter('index');
  if (server.mayReplicate) await setReplicationRole(session, table, 'origin');
  // A table with constraints that are yet to be checked cannot be altered.
  session.soon('set constraints all immediate');
  await rebuildIndexes(session, indexes);
  await addForeignKeys(step, table, keys);
}
