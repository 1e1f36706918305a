import type { Report } from '../../src/report/result.js';
import type { Effect, FixtureRows } from './fleet.js';
import type { Schema, State, Transaction } from './history.js';
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
export interface Own {
  transaction: Transaction;
  before: State;
  after: State;
  effects: Map<string, Effect>;
}

/** The same with the rows after each transaction, the first being those before all, and with the command's own. */
export interface On extends Account {
  states: readonly State[];
  own: readonly Own[];
}

/** What a fleet needs, and a command may create. */
export const PARENT_TABLES = ['teams', 'owners', 'issuers', 'renewal_policies'];

/** What was told must be what was done. */
export const told = (what: string, said: unknown, done: unknown): Violation[] =>
  JSON.stringify(said) === JSON.stringify(done)
    ? []
    : [{ kind: 'told', what: `${what}: told ${JSON.stringify(said)}, done ${JSON.stringify(done)}` }];

/** The same where it need have been true of one of several moments only. */
export const toldOfAny = (what: string, said: unknown, done: readonly unknown[]): Violation[] => {
  const candidates = [...new Set(done.map((one) => JSON.stringify(one)))];
  return candidates.includes(JSON.stringify(said))
    ? []
    : [{ kind: 'told', what: `${what}: told ${JSON.stringify(said)}, done ${candidates.join(' or ')}` }];
};

/** Whether rows of a fixture were changed. */
export function touches(effects: ReadonlyMap<string, Effect>, { table, keys }: FixtureRows): boolean {
  const { inserted = [], updated = [], deleted = [] } = effects.get(table) ?? {};
  return [...inserted, ...updated, ...deleted].some((key) => keys.has(key));
}

/** The rows as they may have been seen from one time to another. */
export function seenBetween({ states, history, other }: On, fromMs: number, toMs: number): readonly State[] {
  const index = history.findIndex(({ xid }) => other.xids.includes(xid));
  if (index < 0) return states;
  const first = other.committedMs < fromMs ? index + 1 : 0;
  const last = other.commitSentMs > toMs ? index : states.length - 1;
  return states.slice(first, last + 1);
}
