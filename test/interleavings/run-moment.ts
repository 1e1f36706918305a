import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, ScaleSeedError } from '../../src/errors.js';
import { describeStructure, findLeftovers, findOrphans } from '../campaign/checks.js';
import { readHistory, RECORD } from './history.js';
import type { Account, Violation } from './account.js';
import { judge } from './judge.js';
import type { Moment } from './moments.js';
import { OtherSession } from './other-session.js';
import { ROLES, type Connection, type Place } from './place.js';
import { start, type Running } from './running.js';
import { startStatementProxy } from './statement-proxy.js';
import { structureAfter } from './structure.js';
import type { Variant } from './variants.js';
import { isWaiting, waitForOther } from './waiting.js';

export interface MomentResult {
  name: string;
  command: string;
  action: string;
  /** How the command ended: `done`, or the code of its error. */
  outcome: string;
  /** False where the command came to its end before the statement. */
  reached: boolean;
  /** The error that ended the other session's transaction, and whether it was the victim of a deadlock. */
  otherFailed: string | undefined;
  deadlocked: boolean;
  elapsedMs: number;
  violations: Violation[];
  statements: string[];
}

/** A command that has not ended by then hangs. */
const DEADLINE_MS = 40_000;
/** The other session keeps what it has open until the command has sent so many statements more. */
const STATEMENTS_LATER = 2;
const POLL_MS = 5;

const NOBODY = { xids: [], commitSentMs: Infinity, committedMs: Infinity };

let databases = 0;

/** Runs a command of a variant on a database of its own, in which another session acts at a moment, where one is given. */
export async function runMoment(place: Place, variant: Variant, moment?: Moment): Promise<MomentResult> {
  const database = `moment_${(databases += 1)}`;
  const startMs = performance.now();
  await place.create(database, variant.standing);
  const proxy = await startStatementProxy(place.port);
  const own = await place.connect(database);
  await own.query(RECORD);
  const others = moment && (await place.connect(database));
  const other = moment && others && new OtherSession(others, moment.action, moment);
  try {
    const reaching = moment && proxy.hold(moment.index).then(() => true);
    const running = start(variant, proxy, place.urlOf(database, variant.role, proxy.port));
    const reached = reaching && (await Promise.race([reaching, running.outcome.then(() => false)]));
    const violations: Violation[] = [];
    const interfering = reached === true ? interfere(running, own, moment, other!) : [];
    const outcome = await withinDeadline(running, own, violations);
    violations.push(...(await interfering));
    if (moment?.action.undo !== undefined) await others!.query(moment.action.undo);
    const { notices, agreed, times, verified } = running;
    const history = await readHistory(own.query, place.schema);
    const about = { variant, schema: place.schema, before: place.rowsOf(variant.standing) };
    const heard = { outcome, notices, agreed, times, verified, history };
    violations.push(...judge({ ...about, ...heard, other: other ?? NOBODY }));
    violations.push(...(await inspect(place, own, moment, other)));
    if (other?.upset === true) violations.push({ kind: 'others', what: String(other.failure) });
    return {
      name: moment?.name ?? `${variant.name} / undisturbed`,
      command: variant.name,
      action: moment?.action.name ?? 'none',
      outcome: codeOf(outcome),
      reached: reached ?? true,
      otherFailed: other?.failure?.message,
      deadlocked: other?.deadlocked ?? false,
      elapsedMs: Math.round(performance.now() - startMs),
      violations,
      statements: moment ? [] : proxy.statements.map(({ sql }) => sql),
    };
  } finally {
    await others?.client.end();
    await own.client.end();
    await proxy.close();
    await place.drop(database);
  }
}

function codeOf(outcome: Account['outcome']): string {
  if ('report' in outcome) return 'done';
  return outcome.error instanceof ScaleSeedError ? outcome.error.code : messageOf(outcome.error);
}

/** Has the other session act, lets the command go on, and ends what the other has left open when its time has come. */
async function interfere(
  running: Running,
  own: Connection,
  { index, ending }: Moment,
  other: OtherSession,
): Promise<Violation[]> {
  const { proxy } = running;
  const pid = await other.pid;
  const acting = other.act();
  // What it has to wait for may be the command's.
  while (!other.acted && !(await isWaiting(own, pid))) await delay(POLL_MS);
  const isLater = ending === 'committed later' || ending === 'rolled back later';
  let isThere = false;
  proxy.release();
  if (isLater) void proxy.hold(index + STATEMENTS_LATER).then(() => (isThere = true));
  const hasGoneOn = async (): Promise<boolean> =>
    isThere || running.ended || (await isWaiting(own, pid, 'behind'));
  if (isLater) while (!(await hasGoneOn())) await delay(POLL_MS);
  if (!other.acted) proxy.release();
  await Promise.race([acting, running.outcome]);
  const found = ending === 'held' ? await waitForOther(running, own, pid) : [];
  await acting;
  const ended = other.end();
  while (!other.ended && !(await isWaiting(own, pid))) await delay(POLL_MS);
  proxy.release();
  await ended;
  return found;
}

/** The command's end; where it does not come, it is put to an end. */
async function withinDeadline(
  running: Running,
  own: Connection,
  violations: Violation[],
): Promise<Account['outcome']> {
  const late = delay(DEADLINE_MS, undefined, { ref: false });
  const outcome = await Promise.race([running.outcome, late]);
  if (outcome !== undefined) return outcome;
  violations.push({ kind: 'wait', what: `no end within ${DEADLINE_MS} ms` });
  running.proxy.release();
  running.stop.abort();
  await own.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where usename = any($1) and datname = current_database()`,
    [Object.values(ROLES)],
  );
  return running.outcome;
}

/** What must hold of any database afterwards. */
async function inspect(
  place: Place,
  { query }: Connection,
  moment: Moment | undefined,
  other: OtherSession | undefined,
): Promise<Violation[]> {
  const as =
    (kind: Violation['kind']) =>
    (what: string): Violation => ({ kind, what });
  const changed = moment?.action.ddl === true && other?.committed === true ? moment.action : undefined;
  const [now, expected] = [await describeStructure(query), await structureAfter(place, changed)];
  const difference = now.split('\n').filter((line) => !expected.includes(line));
  const lost = expected.split('\n').filter((line) => !now.includes(line));
  // What failed halfway outside of a transaction stays behind by itself.
  const unsure = moment?.action.alone === true && other?.committed !== true;
  return [
    ...(await findOrphans(query)).map(as('orphans')),
    ...(unsure
      ? []
      : [...difference.map((line) => `new: ${line}`), ...lost.map((line) => `lost: ${line}`)]
    ).map(as('structure')),
    ...(await findLeftovers(query, Object.values(ROLES))).map(as('leftover')),
  ];
}
