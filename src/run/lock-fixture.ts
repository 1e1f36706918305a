import { literal } from '../postgres/quote.js';
import { nameOf } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';
import { limitWaitsThere, ONE_BY_ONE, whereKept } from '../table/citus.js';
import type { Step } from './step.js';
import { describeHolders, HERE } from './watch-locks.js';

/** A number that no other program's advisory locks are likely to start with: "seed" in ASCII. */
export const ADVISORY_NAMESPACE = 0x73656564;

const HOLDERS = `
select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 2
  and classid = $1::int::oid and objid = hashtext($2)::oid
  and ${HERE}`;

/** Asks for a fixture's turn, and what the server's transactions have come to; to be sent with the begin of its own. */
export function askForTurn(on: Pick<Step, 'fixture' | 'table'>): string {
  const [space, name] = lockOf(on);
  const before = on.table.distributed ? `${ONE_BY_ONE}; ` : '';
  return `${before}select pg_try_advisory_xact_lock(${space}, hashtext(${literal(name)})) as "hasTurn", pg_current_snapshot()::text as snapshot${whereKept(on.table)}`;
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
  const wait = `select pg_advisory_xact_lock($1::int, hashtext($2)) as turn${whereKept(step.table)}`;
  await waitForTurn(session, wait, lock).finally(() => (session.onWait = onWait));
}

/**
 * Makes loaders that want a table for themselves take turns until the transaction ends: two that have read it and then lock it
 * would wait for each other for ever. So do those of tables with a parent that they may lock, too: see takeTable.
 */
export async function lockLoaders({ session, table, server: { mayReplicate } }: Step): Promise<void> {
  const parents = mayReplicate ? [] : table.foreignKeys.map(({ parent }) => parent);
  const names = [table, ...parents].map(nameOf);
  await waitForTurn(
    session,
    `select pg_advisory_xact_lock($1::int, hash) from (
       select distinct hashtext(name) as hash from unnest($2::text[]) as name order by 1) as locks`,
    [ADVISORY_NAMESPACE, names],
  );
}

function lockOf({ fixture, table }: Pick<Step, 'fixture' | 'table'>): [number, string] {
  return [ADVISORY_NAMESPACE, `${nameOf(table)}.${fixture.name}`];
}

async function waitForTurn(session: Session, sql: string, lock: unknown[]): Promise<void> {
  await session.query(`select set_config('scale_seed.limit', current_setting('lock_timeout'), true),
    set_config('lock_timeout', '0', true)`);
  await session.query(sql, lock);
  session.soon(`select set_config('lock_timeout', current_setting('scale_seed.limit'), true)`);
}
