import { setTimeout as delay } from 'node:timers/promises';
import { literal } from '../postgres/quote.js';
import { nameOf } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';
import { nowMs } from '../report/clock.js';
import { limitWaitsThere, ONE_BY_ONE, whereKept } from '../table/citus.js';
import type { Step } from './step.js';
import { describeHolders, IN_THIS_DATABASE } from './watch-locks.js';

/** A number that no other program's advisory locks are likely to start with: "seed" in ASCII. */
export const ADVISORY_NAMESPACE = 0x73656564;

const HOLDERS = `
select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 2
  and classid = $1::int::oid and objid = hashtext($2)::oid
  and ${IN_THIS_DATABASE}`;

/** Asks for a fixture's turn, and what the server's transactions have come to; to be sent with the begin of its own. */
export function askForTurn(on: Pick<Step, 'fixture' | 'table'>): string {
  const before = on.table.distributed ? `${ONE_BY_ONE}; ` : '';
  return `${before}select ${tryLockSql(lockOf(on))} as "hasTurn", pg_current_snapshot()::text as snapshot${whereKept(on.table)}`;
}

/**
 * Makes loaders of one fixture take turns until the transaction ends: two of them would wait for each other row by row. Returns
 * whether another was waited for: as long as that takes, since what it waits for itself has a limit.
 */
export async function lockFixture(step: Step, { hasTurn }: { hasTurn?: unknown }): Promise<boolean> {
  const { session, table } = step;
  if (hasTurn !== true) await waitForFixture(step);
  if (table.distributed) await limitWaitsThere(session);
  return hasTurn !== true;
}

async function waitForFixture(step: Step): Promise<void> {
  const { session, fixture, context } = step;
  const lock = lockOf(step);
  const holders = (await describeHolders(session, HOLDERS, lock)) || 'it';
  context.onNotice(`another scale-seed is at work on ${fixture.name}: waiting for ${holders} to finish`);
  const { onWait } = session;
  // It has been said.
  session.onWait = undefined;
  await waitForTurn(session, lock, whereKept(step.table)).finally(() => (session.onWait = onWait));
}

/**
 * Makes loaders that want a table for themselves take turns until the transaction ends: two that have read it and then lock it
 * would wait for each other for ever. So do those of tables with a parent that they may lock, too: see takeTable.
 */
export async function lockLoaders({ session, table, server: { mayReplicate } }: Step): Promise<void> {
  const parents = mayReplicate ? [] : table.foreignKeys.map(({ parent }) => parent);
  for (const name of [...new Set([table, ...parents].map(nameOf))].sort())
    await waitForTurn(session, [ADVISORY_NAMESPACE, name]);
}

type Lock = [space: number, name: string];

function lockOf({ fixture, table }: Pick<Step, 'fixture' | 'table'>): Lock {
  return [ADVISORY_NAMESPACE, `${nameOf(table)}.${fixture.name}`];
}

/** How often whoever waits for its turn asks. */
const POLL_MS = 50;

function tryLockSql([space, name]: Lock): string {
  return `pg_try_advisory_xact_lock(${space}, hashtext(${literal(name)}))`;
}

/**
 * Asks again and again: whoever waits within a statement holds a snapshot, for which a CREATE INDEX CONCURRENTLY of any table
 * waits, and may be ended by a deadlock with whoever has the turn. So does a statement with parameters until the next one.
 */
async function waitForTurn(session: Session, lock: Lock, where = ''): Promise<void> {
  const sql = `select ${tryLockSql(lock)} as taken${where}`;
  session.waitingSinceMs = nowMs();
  session.waitsFor = { holders: HOLDERS, values: lock };
  try {
    while ((await session.first<{ taken: boolean }>(sql))?.taken !== true)
      await delay(POLL_MS, undefined, { signal: session.signal });
  } finally {
    session.waitingSinceMs = session.waitsFor = undefined;
  }
}
