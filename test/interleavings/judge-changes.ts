import type { CleanedFixture, LoadedFixture, ResetFixture } from '../../src/report/result.js';
import { seenBetween, told, toldOfAny, type On, type Own, type Violation } from './account.js';
import { impactOn, inOrder, standing, touchedBy, type FixtureRows } from './fleet.js';
import type { State } from './history.js';

function countsOf(after: State, fixture: FixtureRows, inserted: number) {
  const present = standing(after, fixture);
  return { inserted, skipped: present - inserted, blocked: fixture.rows - present, present };
}

/** What was counted must stand when it is committed. */
export function judgeLoad(
  on: On,
  fixture: FixtureRows,
  result: LoadedFixture,
  own: Own | undefined,
): Violation[] {
  const { inserted, skipped, blocked, present } = result;
  const said = { inserted, skipped, blocked, present };
  if (own !== undefined) {
    const added = own.effects.get(fixture.table)!.inserted.length;
    return told(fixture.name, said, countsOf(own.after, fixture, added));
  }
  const { commitMs = 0, doneMs = Infinity } = on.times.get(fixture.name) ?? {};
  const seen = seenBetween(on, commitMs, doneMs);
  return toldOfAny(
    fixture.name,
    said,
    seen.map((state) => countsOf(state, fixture, 0)),
  );
}

/** Every row that stands must have been written, and nothing hang on it. */
export function judgeReset(
  on: On,
  fixture: FixtureRows,
  result: ResetFixture,
  own: Own | undefined,
): Violation[] {
  const { name, table } = fixture;
  if (own === undefined) return [{ kind: 'told', what: `${name}: told of a reset, nothing was done` }];
  const { inserted, updated } = own.effects.get(table)!;
  const done = { restored: updated.length, ...countsOf(own.after, fixture, inserted.length) };
  const said = {
    restored: result.restored,
    inserted: result.inserted,
    skipped: result.skipped,
    blocked: result.blocked,
    present: result.present,
  };
  const hanging = impactOn(own.after, on.schema.references, fixture, true);
  const went = touchedBy(own.effects, fixture);
  return [
    ...told(name, said, done),
    ...told(`${name}, rows that were written`, done.restored + done.inserted, done.present),
    ...told(`${name}, dependents`, inOrder(result.dependents), went),
    ...(on.variant.options.keepDependents === true
      ? []
      : told(`${name}, what hangs on it then`, [], hanging)),
    ...keepToAgreed(on, fixture, own),
  ];
}

/** What is told to have gone must have gone, and no more. */
export function judgeClean(
  on: On,
  fixture: FixtureRows,
  { deleted, dependents }: CleanedFixture,
  own: Own | undefined,
): Violation[] {
  const done = {
    deleted: own?.effects.get(fixture.table)?.deleted.length ?? 0,
    dependents: own === undefined ? [] : touchedBy(own.effects, fixture),
  };
  return [
    ...told(fixture.name, { deleted, dependents: inOrder(dependents) }, done),
    ...(own === undefined ? [] : keepToAgreed(on, fixture, own)),
  ];
}

/** Nothing goes beyond what was last agreed to. */
function keepToAgreed({ agreed }: On, fixture: FixtureRows, { effects }: Own): Violation[] {
  const last = agreed.findLast((one) => one.fixture === fixture.name);
  if (last === undefined) return [];
  const own = { table: 'its own rows', rows: effects.get(fixture.table)!.deleted.length, effect: 'deleted' };
  const allowed = [...inOrder([...last.dependents]), { ...own, rows: last.rows ?? fixture.rows }];
  return [own, ...touchedBy(effects, fixture)]
    .filter(({ table, rows, effect }) => {
      const limit = allowed.find((one) => one.table === table && one.effect === effect);
      return rows > (limit?.rows ?? 0);
    })
    .map((done) => ({
      kind: 'agreed',
      what: `${fixture.name}: done ${JSON.stringify(done)}, agreed to ${JSON.stringify(allowed)}`,
    }));
}
