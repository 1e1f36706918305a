import type { Step } from './step.js';
import { describeHolders, WAIT_FOR_FIXTURE } from './watch-locks.js';

/** A number that no other program's advisory locks are likely to start with: "seed" in ASCII. */
export const ADVISORY_NAMESPACE = 0x73656564;

const HOLDERS = `
select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 2
  and classid = $1::int::oid and objid = hashtext($2)::oid
  and database = (select oid from pg_database where datname = current_database())`;

/**
 * Makes loaders of one fixture take turns until the transaction ends. Rows would come out right without it, but two
 * transactions that insert the same keys would wait for each other row by row. Returns whether another loader had to be
 * waited for.
 */
export async function lockFixture({ session, fixture, table, context }: Step): Promise<boolean> {
  const lock = [ADVISORY_NAMESPACE, `${table.schema}.${table.name}.${fixture.name}`];
  const { rows } = await session.query<{ locked: boolean }>(
    'select pg_try_advisory_xact_lock($1::int, hashtext($2)) as locked',
    lock,
  );
  if (rows[0]?.locked === true) return false;
  const holders = (await describeHolders(session, HOLDERS, lock)) || 'it';
  context.onNotice(`another scale-seed is at work on ${fixture.name}: waiting for ${holders} to finish`);
  await session.query(WAIT_FOR_FIXTURE, lock);
  return true;
}

/**
 * Makes loaders that want a table for themselves take turns until the transaction ends: two that have read it and then
 * both lock it would wait for each other for ever, and one that waits for its sibling must not run out of time.
 */
export async function lockLoaders({ session, table }: Step): Promise<void> {
  const lock = [ADVISORY_NAMESPACE, `${table.schema}.${table.name}`];
  await session.query('select pg_advisory_xact_lock($1::int, hashtext($2))', lock);
}
