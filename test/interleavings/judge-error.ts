import { ScaleSeedError } from '../../src/errors.js';
import { PARENT_TABLES, touches, type On, type Violation } from './account.js';
import { FIXTURES, standing } from './fleet.js';

/** An error is of a known kind, blames what is to blame, and says truly what stands. */
export function judgeError(on: On, error: unknown): Violation[] {
  if (!(error instanceof ScaleSeedError))
    return [{ kind: 'error', what: `not one of ours: ${String(error)}` }];
  const { code, message, hint, state } = error;
  const text = `${code}: ${message} (${hint ?? ''})`;
  const there = code === 'parents' ? standingParents(on, message) : [];
  const bad = there.length > 0 || code === 'unexpected' || /\bbugs?\b|\n\s+at /.test(text);
  return [
    ...(bad ? [{ kind: 'error' as const, what: text }] : []),
    ...(state === undefined
      ? [{ kind: 'state' as const, what: `what stands is not said: ${text}` }]
      : state
          .split('; ')
          .flatMap((claim) =>
            judgeClaim(on, claim).map((what): Violation => ({ kind: 'state', what: `${what}: ${text}` })),
          )),
  ];
}

/** How many parent rows the command has inserted. */
function createdParents(own: On['own']): number {
  const counts = own.flatMap(({ effects }) =>
    PARENT_TABLES.map((table) => effects.get(table)?.inserted.length ?? 0),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Parents that an error calls missing, and that stood all the time. */
function standingParents({ states }: On, message: string): string[] {
  const named = [...message.matchAll(/(\w+) has no row ([\w-]+)|(\w+) ([a-z]+-[\w-]+)/g)];
  return named.flatMap(([, table, key, otherTable, otherKey]) => {
    const [name, id] = [table ?? otherTable ?? '', key ?? otherKey ?? ''];
    return PARENT_TABLES.includes(name) && states.every((state) => state.get(name)?.has(id))
      ? [`${name} ${id}`]
      : [];
  });
}

/** Whether a claim of what stands is true. */
function judgeClaim({ own, states }: On, claim: string): string[] {
  const named = FIXTURES.filter(({ name }) => claim.includes(name));
  const about = named.length === 0 ? FIXTURES : named;
  const changed = about.filter((fixture) => own.some(({ effects }) => touches(effects, fixture)));
  if (claim.includes('nothing was changed')) {
    const created = /(\d+) parent rows? (?:was|were) created/.exec(claim)?.[1];
    const parents =
      about.length === FIXTURES.length && changed.length === 0 && Number(created ?? 0) !== createdParents(own)
        ? own.flatMap(({ effects }) => [...effects.keys()])
        : [];
    return [...changed.map(({ name }) => name), ...new Set(parents)].map(
      (name) => `untrue, of ${name}: "${claim}"`,
    );
  }
  if (claim.includes('stands'))
    return about
      .map((fixture) => ({
        name: fixture.name,
        rows: fixture.rows,
        present: standing(states.at(-1)!, fixture),
      }))
      .filter(({ rows, present }) => present < rows)
      .map(({ name, present }) => `untrue, of ${name} ${present} rows stand: "${claim}"`);
  return /committed|judged/.test(claim) ? [] : [`nobody can check: "${claim}"`];
}
