import { stage, type Staging } from '../copy/staging.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { readRows } from '../fixtures/read-rows.js';
import { quote } from '../postgres/quote.js';
import { orAborted } from '../run/or-aborted.js';
import type { Step } from '../run/step.js';
import type { Roots, RowsByTable } from '../table/dependents.js';
import { isExact, rowsOf, type TableInfo } from '../table/inspect-table.js';
import { countedKeys, keysIn, type Keys } from '../table/keys.js';
import { markCondition } from '../table/marks.js';

/** A fixture's keys; where all of its rows had to be sent for them, those are staged. */
export interface StepKeys extends Keys {
  staged?: Staging;
}

/** The keys of a step's fixture: known beforehand where they count, else out of its rows. */
export async function keysOf(step: Step): Promise<StepKeys> {
  const { fixture, table } = step;
  const counted = countedKeys(fixture, table);
  if (counted === undefined) {
    const staged = await stage(step);
    return { ...keysIn(staged.table, fixture, table), staged };
  }
  await readEnds(step);
  return counted;
}

/** A fixture's rows that stand, to which others may refer. */
export function rootsOf({ fixture, table }: { fixture: Fixture; table: TableInfo }, keys: Keys): Roots {
  const columns = identityOf(fixture);
  const held = keys.hold(columns.map((column) => `t.${quote(column)}`));
  const roots = { table, from: `from ${rowsOf(table)} as t where ${held}`, own: held };
  // What is equal to a key refers to it, though it may not be the same.
  return columns.every((column) => isExact(table, column)) ? { ...roots, key: { ...keys, columns } } : roots;
}

/** Roots on which no row hangs that a known fixture has made: nobody has left those behind. */
export function leftBehind(roots: Roots, { known }: Pick<Step, 'known'>): Roots {
  const except = new Map<string, string>();
  for (const { table, mark } of known) {
    const before = except.get(table);
    except.set(table, before === undefined ? markCondition(mark) : `${before} or ${markCondition(mark)}`);
  }
  return { ...roots, except };
}

/** The same without sending a row: where keys do not count, what bears the fixture's mark. */
export function rootsAtSight(on: Pick<Step, 'fixture' | 'table'>): Roots {
  const keys = countedKeys(on.fixture, on.table);
  if (keys !== undefined) return rootsOf(on, keys);
  const own = markCondition(on.fixture.mark);
  return { table: on.table, from: `from ${rowsOf(on.table)} as t where ${own}`, own };
}

/**
 * Foresees what becomes of roots, leaving out the rows in `gone` that fixtures before this one delete, and adds those that
 * this one does. Staged keys do not last until the next turn: for that the roots are known at sight.
 */
export async function inTurn<Foreseen>(
  { staged }: StepKeys,
  { roots, atSight, gone }: { roots: Roots; atSight: Roots; gone: RowsByTable | undefined },
  foresee: (roots: Roots) => Promise<Foreseen>,
  remember: (roots: Roots) => Promise<unknown> = foresee,
): Promise<Foreseen> {
  if (gone === undefined) return foresee(roots);
  if (staged === undefined) return foresee({ ...roots, gone });
  const foreseen = await foresee({ ...roots, gone: new Map(gone) });
  await remember({ ...atSight, gone });
  return foreseen;
}

/** What goes by its number must be what the fixture's generator gives: its first and its last row are looked at. */
async function readEnds({ fixture, session: { signal } }: Step): Promise<void> {
  for (const number of fixture.count === 0 ? [] : [1, fixture.count]) {
    const reader = readRows(fixture, number, number);
    try {
      await orAborted(reader.read(1), signal);
    } finally {
      void reader.close();
    }
  }
}
