import { during, hasState, ScaleSeedError, type ErrorContext } from '../errors.js';
import { quote } from '../postgres/quote.js';
import { nameOf } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';
import type { Dependents, RowsOf } from '../report/result.js';
import type { Step } from '../run/step.js';
import { findHanging, refersTo, type Roots, type RowsByTable } from '../table/dependents.js';
import { nameAll } from '../report/units.js';
import { childRows, findFilled, whichHold, type Reference } from '../table/references.js';
import { tryOnNoRow } from './foresee-refusal.js';
import { leftBehind, rootsAtSight } from './keys.js';

/** What lets a role read all of a table. */
export const READ_HINT = 'grant select to the role; where row security is on, use a role that bypasses it';

/** Does to rows that refer to roots what their foreign keys say; what refers to those in turn is left to the triggers. */
export async function followForeignKeys(
  session: Session,
  references: readonly Reference[],
  roots: Roots,
): Promise<void> {
  const cascading = references.filter(({ action }) => action === 'cascade');
  await deleteReferring(session, cascading, roots);
  for (const reference of references.filter(({ action }) => action === 'set null')) {
    const emptied = reference.emptied.map((column) => `${quote(column)} = null`).join(', ');
    const referring = `${childRows(reference.child)} as t`;
    const refers = refersTo(reference, roots);
    await session.query(`update ${referring} set ${emptied} where ${refers}`);
    if ((await session.count(`from ${referring} where ${refers}`)) > 0)
      throw keptRowsError(session, reference, 'to be set to null');
  }
}

/** What hangs on roots, and which tables that may hold more of it cannot be read. */
export async function countHanging(
  session: Session,
  roots: Roots,
): Promise<{ hanging: RowsOf[]; unread: string[] }> {
  const { dependents, unread } = await findHanging(session, roots);
  const deleted = dependents.filter(({ effect }) => effect === 'deleted');
  return { hanging: deleted.map(({ table, rows }) => ({ table, rows })), unread };
}

/** What hangs on roots, and would go with it; refuses where it may not be deleted, or nobody can say what it is. */
export async function foreseeHanging(session: Session, roots: Roots, isDry = false): Promise<Dependents[]> {
  const { dependents, blockers, references, unread } = await findHanging(session, roots);
  if (unread.length > 0)
    throw obstacleError(
      session,
      `it is not known what of ${unread.join(', ')} hangs on the rows: the role may not read all of it`,
      { code: 'privilege', table: unread[0], hint: hintOf(session, READ_HINT) },
    );
  if (blockers.length > 0) {
    const list = blockers.map(({ table, rows }) => `${rows} in ${table}`).join(', ');
    const message = `rows forbid to delete what hangs on the fleet, as they refer to it: ${list}`;
    throw obstacleError(session, message, { code: 'conflict', table: blockers[0]?.table });
  }
  for (const { child, mayDelete } of references) {
    const table = nameOf(child);
    const hangs = dependents.some((rows) => rows.table === table && rows.effect === 'deleted');
    const problem = `the role may not delete from ${table}, whose rows hang on the fleet`;
    if (hangs && !mayDelete) throw obstacleError(session, problem, { code: 'privilege', table });
    // Whoever is to delete them hears it then.
    if (isDry && hangs && roots.table.distributed !== true)
      await tryOnNoRow(session, `delete from ${childRows(child)}`);
  }
  return dependents;
}

/** Deletes all rows that refer to roots, whatever their foreign keys say. */
export async function deleteHanging(session: Session, roots: Roots): Promise<void> {
  await deleteReferring(session, await findFilled(session, roots.table), roots);
}

/** Whether more would go or change than was agreed to, of any table. */
export function exceed(more: readonly Dependents[], agreed: readonly Dependents[]): boolean {
  return more.some((rows) => rows.rows > rowsLike(rows, agreed));
}

/** What was foreseen, and of each table no less than was found. */
export function atLeast(foreseen: readonly Dependents[], found: readonly Dependents[] = []): Dependents[] {
  const more = found.filter((rows) => rows.rows > rowsLike(rows, foreseen));
  return [...foreseen.filter((rows) => rowsLike(rows, more) === 0), ...more];
}

/** How many rows of the same table are touched in the same way. */
function rowsLike({ table, effect }: Dependents, others: readonly Dependents[]): number {
  return others.find((rows) => rows.table === table && rows.effect === effect)?.rows ?? 0;
}

/** Looks for what stands in the way of a reset, before any: what hangs on one is gone when the next has its turn. */
export function refuseKept(): (on: Pick<Step, 'session' | 'fixture' | 'table' | 'known'>) => Promise<void> {
  const gone: RowsByTable = new Map();
  return async (on) => {
    await foreseeHanging(on.session, { ...leftBehind(rootsAtSight(on), on), gone });
  };
}

/** Deletes from all tables in one statement, at whose end foreign keys are checked: their order does not matter. */
async function deleteReferring(
  session: Session,
  references: readonly Reference[],
  roots: Roots,
): Promise<void> {
  if (references.length === 0) return;
  const doomed = references.map(
    (reference) => `from ${childRows(reference.child)} as t where ${refersTo(reference, roots)}`,
  );
  const deletions = doomed.map((from, index) => `gone${index} as (delete ${from})`);
  try {
    await session.query(`with ${deletions.join(', ')} select`);
    // Citus cannot take the result of a subquery without columns to a worker.
    const stand = doomed.map((from) => `exists (select 1 ${from})`);
    const left = await whichHold(session, stand);
    const kept = references.find((_, index) => left[index] === true);
    if (kept !== undefined) throw keptRowsError(session, kept, 'to go');
  } catch (error) {
    const names = [...new Set(references.map(({ child }) => nameOf(child)))];
    const isReferred = hasState(error, /^23(001|503)/);
    const otherwise = isReferred ? ({ code: 'conflict', hint: hintOf(session) } as const) : {};
    throw during(error, `cannot delete from ${names.join(', ')}`, { table: names[0], ...otherwise });
  }
}

function keptRowsError(session: Session, { child, triggers }: Reference, what: string): ScaleSeedError {
  const by =
    triggers.length > 0
      ? `${nameAll('trigger', triggers)} kept`
      : "a rule, a policy or another table's trigger left";
  const table = nameOf(child);
  return obstacleError(session, `${by} rows of ${table} that were ${what}`, { code: 'conflict', table });
}

type Obstacle = Pick<ErrorContext, 'code' | 'table' | 'hint'>;

function obstacleError(session: Session, message: string, more: Obstacle): ScaleSeedError {
  const phase = session.phase === 'clean' ? 'clean' : 'reset';
  return new ScaleSeedError(message, { phase, hint: hintOf(session), ...more });
}

/** Only a reset can leave what hangs on the fleet. */
function hintOf({ phase }: Session, first = 'see to that first'): string {
  return phase === 'clean' ? first : `${first}, or leave what hangs on the fleet with --keep-dependents`;
}
