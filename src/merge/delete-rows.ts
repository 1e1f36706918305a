import type { Dependents, ForeignKeyCheck } from '../report/result.js';
import { SERIALIZATION_FAILURE, stepError, type OnTable, type Step } from '../run/step.js';
import { isSharded } from '../table/citus.js';
import { findImpact, holdKey, type Impact, type Roots, type RowsByTable } from '../table/dependents.js';
import { watchEffects } from '../table/effects.js';
import { countedKeys, type Keys } from '../table/keys.js';
import { findReferences, type Reference } from '../table/references.js';
import { holdStructure } from './claim.js';
import { obstacleToSilence, setReplicationRole } from './foreign-keys.js';
import { inTurn, rootsAtSight, rootsOf, type StepKeys } from './keys.js';
import { followForeignKeys, READ_HINT } from './hanging.js';
import { keepersOf, refuseHidden } from './blocked.js';
import { formatCount } from '../report/units.js';

/** Rows of a fixture, and those of other tables that go or change with them. */
export interface Deletion {
  rows: number;
  dependents: Dependents[];
}

/** A deletion with how its foreign keys are heeded. */
export interface Deleted extends Deletion {
  foreignKeys: ForeignKeyCheck;
}

/** What deleting the rows would do by now. */
export async function foreseeDeletion(step: Step, keys: StepKeys, gone?: RowsByTable): Promise<Deleted> {
  const { session, table } = step;
  const roots = rootsOf(step, keys);
  const foreignKeys = checkOf(step, await findReferences(session, table), roots);
  const rows = await session.count(roots.from);
  refuseHidden(step, rows);
  const { dependents } = await inTurn(
    keys,
    { roots, atSight: rootsAtSight(step), gone },
    (these) => requireDeletable(step, these),
    (these) => findImpact(session, these),
  );
  return { rows, dependents, foreignKeys };
}

/** Looks for what forbids to delete fixtures, before any is: what goes with one is gone when the next has its turn. */
export function refuseReferred(): (on: OnTable) => Promise<void> {
  const gone: RowsByTable = new Map();
  return async (on) => {
    await requireDeletable(on, { ...rootsAtSight(on), gone });
  };
}

/**
 * Deletes the rows, and what goes with them. By set (docs/decisions/reset.md), the rows go first, which locks out whoever
 * would refer to them; what refers to them then is found, and done to it what its key says.
 */
export async function deleteRows(step: Step, keys: Keys): Promise<Deleted> {
  const { session } = step;
  const on = { ...step, table: await holdStructure(step) };
  const roots = rootsOf(on, keys);
  const foreignKeys = checkOf(on, await findReferences(session, on.table), roots);
  const remove = (): Promise<number> => session.change(`delete ${roots.from}`);
  const told = async (rows: number, dependents: Dependents[]): Promise<Deleted> => {
    const deleted = { rows, dependents: await tellEffects(rows, dependents), foreignKeys };
    await refuseKeptRows(on, roots);
    refuseHidden(on, rows);
    return deleted;
  };
  const tellEffects = await watchEffects(session, roots);
  if (foreignKeys.check === 'row') {
    await lockRows(on, roots);
    const { dependents } = await requireDeletable(on, roots);
    const rows = await remove();
    return told(rows, dependents);
  }
  await setReplicationRole(on, 'replica');
  const rows = await remove();
  await setReplicationRole(on, 'origin');
  const { dependents, references } = await requireDeletable(on, roots);
  // By now they have been read, which keeps away whoever would hide rows of theirs.
  const obstacle = obstacleIn(await findReferences(session, on.table), roots);
  // The step is to be taken again: what was decided on holds no longer.
  if (obstacle !== undefined)
    throw stepError(on, `a table that refers to the rows was changed in the meantime: ${obstacle}`, {
      code: 'conflict',
      sqlState: SERIALIZATION_FAILURE,
      hint: 'run the command again',
    });
  if (dependents.length > 0) await followForeignKeys(session, references, roots);
  return told(rows, dependents);
}

async function refuseKeptRows(step: Step, roots: Roots): Promise<void> {
  const { session, fixture, table } = step;
  const { userTriggers, rules, rowSecurity } = table;
  if (userTriggers.length + rules.length === 0 && !rowSecurity) return;
  session.soon('set constraints all immediate');
  const kept = await session.count(roots.from);
  if (kept === 0) return;
  throw stepError(
    step,
    `fixture ${fixture.name}: ${formatCount(kept)} of its rows still stand after they were deleted: ${keepersOf(table)} kept them`,
    { code: 'conflict', hint: 'see to that first' },
  );
}

/**
 * Locks the rows, so that no row comes to refer to them any more. A role that may only delete cannot lock rows, nor can
 * Citus those of several shards or that it finds by a temporary table. Returns how many there are, where they could be locked.
 */
export async function lockRows(
  { session, fixture, table }: Step,
  { from }: Roots,
): Promise<number | undefined> {
  const findable = !table.distributed || (!isSharded(table) && countedKeys(fixture, table) !== undefined);
  if (!table.privileges.update || !findable) return undefined;
  return session.count(`from (select ${from} for update of t) as locked`);
}

async function requireDeletable(on: OnTable, roots: Roots): Promise<Impact> {
  const impact = await findImpact(on.session, roots);
  const { unread, blockers } = impact;
  const { name, table } = on.fixture;
  if (unread.length > 0) {
    const message = `fixture ${name}: it is not known what of ${unread.join(', ')} would go with it: the role may not read all of it`;
    throw stepError(on, message, { code: 'privilege', phase: 'clean', table: unread[0], hint: READ_HINT });
  }
  if (blockers.length > 0) {
    const list = blockers.map((rows) => `${rows.rows} in ${rows.table}`).join(', ');
    const message = `fixture ${name}: rows that stay refer to it and forbid its deletion: ${list}`;
    throw stepError(on, message, {
      code: 'conflict',
      phase: 'clean',
      table,
      hint: 'reset --yes deletes those that a run has left; delete others yourself, then run clean again',
    });
  }
  return impact;
}

function checkOf(
  { table, server }: Pick<Step, 'table' | 'server'>,
  references: readonly Reference[],
  roots: Roots,
): ForeignKeyCheck {
  const obstacle = obstacleToSilence(table, server.mayReplicate) ?? obstacleIn(references, roots);
  return obstacle === undefined
    ? { check: 'set', reason: 'what refers to the rows is looked for once' }
    : { check: 'row', reason: obstacle };
}

/** Why the keys' own triggers are needed: what they do cannot be done by set, or may be done by them alone. */
function obstacleIn(references: readonly Reference[], roots: Roots): string | undefined {
  const may = ({ action, mayRead, mayDelete, mayUpdate }: Reference): boolean =>
    mayRead && (action !== 'cascade' || mayDelete) && (action !== 'set null' || mayUpdate);
  const obstacles: [(reference: Reference) => boolean, string][] = [
    [({ child }) => child.oid === roots.table.oid, 'refers to the table itself'],
    [(reference) => holdKey(reference, roots) === undefined, 'refers to other columns than the key'],
    [({ action }) => action === 'set default', 'sets a default'],
    [(reference) => !may(reference), 'is of a table that the role may not read all of, or not change'],
  ];
  for (const [applies, what] of obstacles) {
    const found = references.find(applies);
    if (found !== undefined) return `foreign key ${found.name} of ${found.child.name} ${what}`;
  }
  return undefined;
}
