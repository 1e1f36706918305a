import { ScaleSeedError } from '../../src/errors.js';
import type {
  CleanedFixture,
  LoadedFixture,
  Report,
  ResetFixture,
  VerifiedFixture,
} from '../../src/report/result.js';
import {
  effectOf,
  FIXTURES,
  impactOn,
  inOrder,
  standing,
  touchedBy,
  type Effect,
  type FixtureRows,
} from './fleet.js';
import { apply, type Schema, type State, type Transaction } from './history.js';
import type { Agreed, Variant } from './variants.js';

export const VIOLATIONS = [
  'told',
  'agreed',
  'state',
  'partial',
  'others',
  'orphans',
  'structure',
  'leftover',
  'wait',
  'error',
] as const;

/** What must not be. */
export interface Violation {
  kind: (typeof VIOLATIONS)[number];
  what: string;
}

/** When a fixture's work began, when its commit was sent, and when that was done. */
export interface Times {
  startMs: number;
  commitMs: number;
  doneMs: number;
}

/** All that is known of a command's run and of what was done to the database meanwhile. */
export interface Account {
  variant: Variant;
  schema: Schema;
  outcome: { report: Report } | { error: unknown };
  notices: readonly string[];
  agreed: readonly Agreed[];
  /** The rows before. */
  before: State;
  history: readonly Transaction[];
  /** The other session's transactions, and when their changes became visible. */
  other: { xids: readonly string[]; commitSentMs: number; committedMs: number };
  times: ReadonlyMap<string, Times>;
  /** The same where the fixtures were verified afterwards. */
  verified: ReadonlyMap<string, Times>;
}

/** A transaction of the command's with the rows before and after. */
interface Own {
  transaction: Transaction;
  before: State;
  after: State;
  effects: Map<string, Effect>;
}

/** Holds what a command said against what its transactions did. */
export function judge(account: Account): Violation[] {
  const { outcome, history, other } = account;
  const states = [account.before];
  for (const transaction of history) states.push(apply(states.at(-1)!, transaction));
  const own = history.flatMap((transaction, index): Own[] => {
    if (other.xids.includes(transaction.xid)) return [];
    const [before, after] = [states[index]!, states[index + 1]!];
    return [{ transaction, before, after, effects: effectOf(before, after, transaction) }];
  });
  const on = { ...account, states, own };
  return [
    ...touchNoOthers(on),
    ...countParents(on),
    ...('report' in outcome ? judgeReport(on, outcome.report) : judgeError(on, outcome.error)),
  ];
}

interface On extends Account {
  states: readonly State[];
  own: readonly Own[];
}

const PARENT_TABLES = ['teams', 'owners', 'issuers', 'renewal_policies'];

const told = (what: string, said: unknown, done: unknown): Violation[] =>
  JSON.stringify(said) === JSON.stringify(done)
    ? []
    : [{ kind: 'told', what: `${what}: told ${JSON.stringify(said)}, done ${JSON.stringify(done)}` }];

/** The same where it need have been true of one of several moments only. */
const toldOfAny = (what: string, said: unknown, done: readonly unknown[]): Violation[] => {
  const candidates = [...new Set(done.map((one) => JSON.stringify(one)))];
  return candidates.includes(JSON.stringify(said))
    ? []
    : [{ kind: 'told', what: `${what}: told ${JSON.stringify(said)}, done ${candidates.join(' or ')}` }];
};

function judgeReport(on: On, report: Report): Violation[] {
  return FIXTURES.flatMap((fixture) => {
    const result = report.fixtures.find(({ name }) => name === fixture.name);
    if (result === undefined) return [{ kind: 'told', what: `nothing is said of ${fixture.name}` }];
    const mine = on.own.filter(({ effects }) => touches(effects, fixture));
    if (mine.length > 1)
      return [
        { kind: 'partial', what: `${fixture.name}: ${mine.length} transactions have changed its rows` },
      ];
    if ('dryRun' in report && report.dryRun) return judgeForecast(on, fixture, result as ResetFixture);
    switch (report.command) {
      case 'load':
        return judgeLoad(on, fixture, result as LoadedFixture, mine[0]);
      case 'ci': {
        const verified = report.verified.fixtures.find(({ name }) => name === fixture.name)!;
        return [
          ...judgeLoad(on, fixture, result as LoadedFixture, mine[0]),
          ...judgeVerify({ ...on, times: on.verified }, fixture, verified, true),
        ];
      }
      case 'verify':
        return judgeVerify(on, fixture, result as VerifiedFixture, report.live);
      case 'reset':
        return judgeReset(on, fixture, result as ResetFixture, mine[0]);
      case 'clean':
        return judgeClean(on, fixture, result as CleanedFixture, mine[0]);
    }
  });
}

function touches(effects: ReadonlyMap<string, Effect>, { table, keys }: FixtureRows): boolean {
  const { inserted = [], updated = [], deleted = [] } = effects.get(table) ?? {};
  return [...inserted, ...updated, ...deleted].some((key) => keys.has(key));
}

/** The rows as they may have been seen from one time to another. */
function seenBetween({ states, history, other }: On, fromMs: number, toMs: number): readonly State[] {
  const index = history.findIndex(({ xid }) => other.xids.includes(xid));
  if (index < 0) return states;
  const first = other.committedMs < fromMs ? index + 1 : 0;
  const last = other.commitSentMs > toMs ? index : states.length - 1;
  return states.slice(first, last + 1);
}

function countsOf(after: State, fixture: FixtureRows, inserted: number) {
  const present = standing(after, fixture);
  return { inserted, skipped: present - inserted, blocked: fixture.rows - present, present };
}

/** What was counted must stand when it is committed. */
function judgeLoad(on: On, fixture: FixtureRows, result: LoadedFixture, own: Own | undefined): Violation[] {
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

function judgeReset(on: On, fixture: FixtureRows, result: ResetFixture, own: Own | undefined): Violation[] {
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

function judgeClean(
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

/** What a dry run foresees must have been so at some moment. */
function judgeForecast(on: On, fixture: FixtureRows, result: ResetFixture | CleanedFixture): Violation[] {
  const { name, table, keys, rows } = fixture;
  const { references } = on.schema;
  const { startMs = 0, doneMs = Infinity } = on.times.get(name) ?? {};
  const seen = seenBetween(on, startMs, doneMs);
  if ('deleted' in result) {
    const said = { deleted: result.deleted, dependents: inOrder(result.dependents) };
    const foreseen = seen.map((state) => ({
      deleted: standing(state, fixture),
      dependents: impactOn(state, references, fixture, false),
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
  const hanging = seen.map((state) => impactOn(state, references, fixture, true));
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

function judgeVerify(on: On, fixture: FixtureRows, result: VerifiedFixture, live: boolean): Violation[] {
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

/** A command changes rows of its fixtures, what hangs on those, and the parents that it is to create. */
function touchNoOthers({ variant, own }: On): Violation[] {
  const parents = variant.options.createParents === true ? PARENT_TABLES : [];
  return own.flatMap(({ effects }) =>
    [...effects].flatMap(([table, { inserted, updated, deleted }]) => {
      const fixture = FIXTURES.find((one) => one.table === table);
      const isStrange = (key: string): boolean => !(fixture?.keys.has(key) ?? !key.endsWith('-real'));
      const strange = [
        ...[...updated, ...deleted].filter((key) => isStrange(key) || PARENT_TABLES.includes(table)),
        ...inserted.filter(
          (key) => !(fixture === undefined ? parents.includes(table) : fixture.keys.has(key)),
        ),
      ];
      return strange.map((key): Violation => ({ kind: 'others', what: `${table} ${key} was changed` }));
    }),
  );
}

/** What is told of parents that were created. */
function countParents({ own, notices, variant }: On): Violation[] {
  if (variant.options.dryRun === true) return [];
  const created = own.flatMap(({ effects }) =>
    [...effects].flatMap(([table, { inserted }]) =>
      FIXTURES.some((one) => one.table === table) ? [] : inserted,
    ),
  );
  const said = notices.flatMap((notice) => /created (\d+) parent rows/.exec(notice)?.[1] ?? []);
  return told('parent rows created', Number(said[0] ?? 0), created.length);
}

function judgeError(on: On, error: unknown): Violation[] {
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
    const parents =
      about.length === FIXTURES.length && changed.length === 0
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
