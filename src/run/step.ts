import { COMMITTED, hasState, ScaleSeedError, type ErrorContext, type Phase } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import type { Session } from '../postgres/session.js';
import { translateError } from '../postgres/translate-error.js';
import type { Prepared } from './prepare.js';
import type { RunContext } from './context.js';
import type { Server } from './server.js';
import { countWithCommit } from './settle.js';
import { nameHolders } from './watch-locks.js';
import type { FixtureResult } from '../report/result.js';
import { nameOf } from '../report/table-name.js';
import { lockHere } from '../table/citus.js';

/** What the steps of a run share. */
export interface RunOfSteps {
  server: Server;
  /** All fixtures of the run, and those that are known to it besides. */
  known: readonly Fixture[];
  settle: boolean;
  /** The work changes nothing, though it may commit. */
  reads: boolean;
}

/** One fixture's turn in one schema. */
export interface Step extends Prepared, Pick<RunOfSteps, 'server' | 'known'> {
  context: RunContext;
  session: Session;
  /** Says something of the fixture. */
  tell: (message: string) => void;
  enter: (phase: Phase) => void;
  /** Says that so many more of the fixture's rows are through a phase. */
  count: (phase: Phase, rows: number) => void;
  /** Does work all or nothing; what it has committed is told of, whatever fails later. */
  transaction: Session['transaction'];
}

/** What a step works on. */
export type OnTable = Pick<Step, 'session' | 'fixture' | 'table'>;

/** Whose result it is, as reports begin it. */
export function whichRows({ fixture: { name }, table }: Pick<Step, 'fixture' | 'table'>): FixtureResult {
  return { name, schema: table.schema, table: table.name };
}

/** An error of what a step does; it says whose it is, and in which phase. */
export function stepError(
  { session: { phase }, fixture, table }: OnTable,
  message: string,
  more: Pick<ErrorContext, 'code'> & Partial<ErrorContext>,
): ScaleSeedError {
  return new ScaleSeedError(message, { phase, fixture: fixture.name, table: nameOf(table), ...more });
}

/**
 * Does what only looks in a transaction of the step's: all that is said of the rows is said of one moment. The table is locked
 * against being rewritten: a snapshot from before that would find it empty.
 */
export function atOneMoment<T>(step: Step, look: () => Promise<T>): Promise<T> {
  const { session, table, transaction } = step;
  const work = async (): Promise<T> => {
    session.soon(lockHere(table, 'access share'));
    // What the snapshot sees of it, and what it is by now.
    const rewritten = await session.count(
      `from pg_class as c where c.oid in (select ${table.oid}::oid union select relid from pg_partition_tree(${table.oid}))
         and c.relfilenode <> coalesce(pg_relation_filenode(c.oid), 0)`,
    );
    if (rewritten > 0)
      throw stepError(step, `another session has rewritten or truncated ${table.name} meanwhile`, {
        code: 'server',
        sqlState: SERIALIZATION_FAILURE,
        hint: 'run the command again',
      });
    return look();
  };
  return transaction(work, { isolation: 'repeatable read' });
}

/** What stands of a fixture before its transaction. */
export const UNCHANGED = 'nothing was changed';

/** What stands of a fixture whose transaction has not been committed: parents were, with those of its siblings. */
export function untouched({ createdParents }: Prepared): string {
  return createdParents === 0
    ? UNCHANGED
    : `nothing was changed, except that ${createdParents} parent ${createdParents === 1 ? 'row was' : 'rows were'} created`;
}

export const SERIALIZATION_FAILURE = '40001';

/** A deadlock, or a transaction that cannot be put in a row with others: what was done is undone, and may come right. */
const TRY_AGAIN = new RegExp(`^(${SERIALIZATION_FAILURE}|40P01)`);
const MAX_TRIES = 4;

/** Attempts what changes nothing unless it is through, again where another session stood in the way. */
export async function tryAgain<T>(
  say: (message: string) => void,
  attempt: (tries: number) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt(tries);
    } catch (error) {
      const refused = translateError(error, { phase: 'prepare' });
      if (!hasState(refused, TRY_AGAIN)) throw refused;
      const { message } = refused;
      if (tries === MAX_TRIES) throw refused.with({ message: `${message}; given up after ${tries} tries` });
      say(`${message}; rolled back, and tried again`);
    }
  }
}

/** Works on one fixture, again where another session stood in the way; returns also what stands of it then. */
export async function takeStep<Result>(
  { context, session }: Pick<Step, 'context' | 'session'>,
  { server, known, settle, reads }: RunOfSteps,
  prepared: Prepared,
  work: (step: Step) => Promise<Result>,
): Promise<{ result: Result; state: string }> {
  const { fixture, table } = prepared;
  let state = untouched(prepared);
  const tell = (message: string): void => {
    context.onNotice(`${fixture.name}: ${message}`);
  };
  const say = (message: string): void => {
    tell(message.replaceAll('\n', ' '));
  };
  session.onWait = say;
  const transaction: Step['transaction'] = async (own, begin) => {
    const result = await session.transaction(
      async (opened) => {
        const done = await own(opened);
        if (settle) countWithCommit(session, server);
        return done;
      },
      { ...begin, reads },
    );
    if (!reads) state = COMMITTED;
    return result;
  };
  const attempt = async (tries: number): Promise<Result> => {
    const events = eventsOf(context, session, prepared);
    try {
      if (tries > 1) events.enter('prepare');
      return await work({ ...prepared, ...events, tell, context, server, session, known, transaction });
    } catch (error) {
      throw await nameHolders(session, table, translateError(error, { phase: session.phase }));
    }
  };
  try {
    const result = await tryAgain(say, attempt);
    context.onEvent({ type: 'done', fixture: fixture.name });
    return { result, state };
  } catch (error) {
    throw ofFixture(error, session.phase, prepared, state);
  } finally {
    session.phase = 'prepare';
  }
}

function ofFixture(
  thrown: unknown,
  phase: Phase,
  { fixture, table }: Prepared,
  state: string,
): ScaleSeedError {
  const error = translateError(thrown, { phase });
  const known = error.fixture !== undefined;
  return error.with({
    message: known ? error.message : `fixture ${fixture.name}, ${phase}: ${error.message}`,
    phase: known ? error.phase : phase,
    fixture: fixture.name,
    table: error.table?.includes('.') === true ? error.table : nameOf(table),
    state: error.state === undefined || error.state === UNCHANGED ? state : error.state,
  });
}

function eventsOf({ onEvent }: RunContext, session: Session, { fixture, table }: Prepared) {
  const { name, count: totalRows } = fixture;
  const counts = new Map<Phase, number>();
  return {
    enter: (phase: Phase): void => {
      session.phase = phase;
      onEvent({ type: 'phase', fixture: name, table: table.name, phase, totalRows });
    },
    count: (phase: Phase, more: number): void => {
      const rows = (counts.get(phase) ?? 0) + more;
      counts.set(phase, rows);
      onEvent({ type: 'progress', fixture: name, phase, rows, totalRows });
    },
  };
}
