import { chooseFixtures } from '../../src/fixtures/registry.js';
import { SIZE } from './place.js';
import type { Reference, Row, State, Transaction } from './history.js';

/** The rows of a fixture by their keys. */
export interface FixtureRows {
  name: string;
  table: string;
  rows: number;
  keys: ReadonlySet<string>;
}

const numbered = (prefix: string, count: number): ReadonlySet<string> =>
  new Set(Array.from({ length: count }, (_, index) => prefix + String(index + 1).padStart(8, '0')));

const KEYS: Readonly<Record<string, ReadonlySet<string>>> = {
  scale_agents: numbered('ag-scale-', SIZE.agents),
  scale_certs: numbered('cert-loadtest-scale-', SIZE.certs),
};

export const FIXTURES: readonly FixtureRows[] = chooseFixtures(SIZE).map(({ name, table, count }) => ({
  name,
  table,
  rows: count,
  keys: KEYS[name]!,
}));

/** How many of a fixture's rows stand. */
export function standing(state: State, { table, keys }: FixtureRows): number {
  const rows = state.get(table)!;
  return [...keys].filter((key) => rows.has(key)).length;
}

/** Keys of one table by what became of their rows. */
export interface Effect {
  inserted: string[];
  updated: string[];
  deleted: string[];
}

/** What a transaction comes to, table by table: a row that was deleted and inserted again was updated. */
export function effectOf(before: State, after: State, { changes }: Transaction): Map<string, Effect> {
  const effects = new Map<string, Effect>();
  for (const table of new Set(changes.map((change) => change.table))) {
    const keys = new Set(
      changes
        .filter((change) => change.table === table)
        .flatMap((change) => [change.before, change.after?.key])
        .filter((key) => key !== undefined),
    );
    const stood = (key: string): boolean => before.get(table)?.has(key) === true;
    const stands = (key: string): boolean => after.get(table)?.has(key) === true;
    effects.set(table, {
      inserted: [...keys].filter((key) => !stood(key) && stands(key)),
      updated: [...keys].filter((key) => stood(key) && stands(key)),
      deleted: [...keys].filter((key) => stood(key) && !stands(key)),
    });
  }
  return effects;
}

/** Rows of other tables, as reports tell of them, in the order of their names. */
export type Touched = { table: string; rows: number; effect: string }[];

/** What deleting a fixture's rows would do to others; `hanging`, as if every foreign key to them said cascade. */
export function impactOn(
  state: State,
  references: readonly Reference[],
  fixture: FixtureRows,
  hanging: boolean,
): Touched {
  const { deleted, emptied } = reach(state, references, fixture, hanging);
  deleted.delete(fixture.table);
  return inOrder([...listed(deleted, 'deleted'), ...listed(emptied, 'set null')]);
}

/** What is left once the fixtures before one have had their turn. */
export function beforeTurn(
  state: State,
  references: readonly Reference[],
  fixture: FixtureRows,
  hanging: boolean,
): State {
  const left = new Map([...state].map(([table, rows]) => [table, new Map(rows)]));
  for (const earlier of FIXTURES.slice(0, FIXTURES.indexOf(fixture))) {
    const { deleted } = reach(state, references, earlier, hanging);
    if (hanging) deleted.delete(earlier.table);
    for (const [table, keys] of deleted) for (const key of keys) left.get(table)?.delete(key);
  }
  return left;
}

/** The rows that would be deleted, a fixture's own among them, and those of which a column would be emptied. */
function reach(
  state: State,
  references: readonly Reference[],
  { table, keys }: FixtureRows,
  hanging: boolean,
): Record<'deleted' | 'emptied', Map<string, Set<string>>> {
  const rows = state.get(table)!;
  const deleted = new Map([[table, new Set([...keys].filter((key) => rows.has(key)))]]);
  const emptied = new Map<string, Set<string>>();
  const add = (to: Map<string, Set<string>>, at: string, key: string): boolean => {
    const known = to.get(at) ?? new Set();
    to.set(at, known);
    return known.size < known.add(key).size;
  };
  for (let grows = true; grows;) {
    grows = false;
    for (const { child, column, parent, action } of references) {
      const cascades = action === 'cascade' || (hanging && parent === table);
      for (const [key, row] of state.get(child) ?? new Map<string, Row>()) {
        if (isRowOfFixture(child, key) || deleted.get(parent)?.has(row[column] ?? '') !== true) continue;
        if (cascades) grows = add(deleted, child, key) || grows;
        else if (action === 'set null') add(emptied, child, key);
      }
    }
  }
  for (const [child, set] of emptied) for (const key of deleted.get(child) ?? []) set.delete(key);
  return { deleted, emptied };
}

/** What a transaction has done to tables other than a fixture's own. */
export function touchedBy(effects: ReadonlyMap<string, Effect>, { table }: FixtureRows): Touched {
  const others = [...effects].filter(([name]) => name !== table);
  return inOrder(
    others.flatMap(([name, { deleted, updated }]) => [
      { table: `public.${name}`, rows: deleted.length, effect: 'deleted' },
      { table: `public.${name}`, rows: updated.length, effect: 'set null' },
    ]),
  );
}

export function inOrder(touched: Touched): Touched {
  return touched
    .filter(({ rows }) => rows > 0)
    .map(({ table, rows, effect }) => ({ table, rows, effect }))
    .sort((one, other) => `${one.table} ${one.effect}`.localeCompare(`${other.table} ${other.effect}`));
}

function isRowOfFixture(table: string, key: string): boolean {
  return FIXTURES.some((fixture) => fixture.table === table && fixture.keys.has(key));
}

function listed(rows: ReadonlyMap<string, ReadonlySet<string>>, effect: string): Touched {
  return [...rows].map(([table, keys]) => ({ table: `public.${table}`, rows: keys.size, effect }));
}
