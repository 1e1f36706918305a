import type { CleanedFixture, ResetFixture, VerifiedFixture } from '../../src/report/result.js';
import { seenBetween, told, toldOfAny, type On, type Violation } from './account.js';
import { beforeTurn, impactOn, inOrder, standing, type FixtureRows } from './fleet.js';
import type { State } from './history.js';

/** What a dry run foresees must have been so at some moment. */
export function judgeForecast(
  on: On,
  fixture: FixtureRows,
  result: ResetFixture | CleanedFixture,
): Violation[] {
  const { name, table, keys, rows } = fixture;
  const { references } = on.schema;
  const { startMs = 0, doneMs = Infinity } = on.times.get(name) ?? {};
  const seen = seenBetween(on, startMs, doneMs);
  if ('deleted' in result) {
    const said = { deleted: result.deleted, dependents: inOrder(result.dependents) };
    const foreseen = seen.map((state) => ({
      deleted: standing(state, fixture),
      dependents: impactOn(beforeTurn(state, references, fixture, false), references, fixture, false),
    }));
    return toldOfAny(name, said, foreseen);
  }
  const { inserted, skipped, blocked, present } = result;
  const forecasts = seen.map((state) => {
    const stand = standing(state, fixture);
    const held = [...state.get(table)!].filter(
      ([key, row]) => !keys.has(key) && isNameOf(row.name, fixture, state),
    );
    return {
      inserted: rows - stand - held.length,
      skipped: stand,
      blocked: held.length,
      present: rows - held.length,
    };
  });
  const hanging = seen.map((state) =>
    impactOn(beforeTurn(state, references, fixture, true), references, fixture, true),
  );
  return [
    ...toldOfAny(name, { inserted, skipped, blocked, present }, forecasts),
    ...('dependents' in result ? toldOfAny(`${name}, dependents`, inOrder(result.dependents), hanging) : []),
  ];
}

/** Whether a name is that of a certificate of the fleet that does not stand. */
function isNameOf(name: string | null | undefined, { keys, table }: FixtureRows, state: State): boolean {
  const number = /^loadtest-scale-(\d{8})\.example\.test$/.exec(name ?? '')?.[1];
  const key = `cert-loadtest-scale-${number ?? ''}`;
  return keys.has(key) && !state.get(table)!.has(key);
}

/** What is told must have been so at some moment. */
export function judgeVerify(
  on: On,
  fixture: FixtureRows,
  result: VerifiedFixture,
  live: boolean,
): Violation[] {
  const { startMs = 0, doneMs = Infinity } = on.times.get(fixture.name) ?? {};
  const hanging = inOrder(result.hanging.map((rows) => ({ ...rows, effect: 'deleted' })));
  const seen = seenBetween(on, startMs, doneMs).map((state) => ({
    missing: fixture.rows - standing(state, fixture),
    hanging: impactOn(state, on.schema.references, fixture, true).filter(
      ({ effect }) => effect === 'deleted',
    ),
  }));
  const sound = result.missing.rows + (live ? 0 : result.hanging.length) === 0;
  return [
    ...toldOfAny(fixture.name, { missing: result.missing.rows, hanging }, seen),
    ...(result.intact && !sound ? told(`${fixture.name}, intact`, true, false) : []),
  ];
}
