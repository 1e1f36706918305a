import type { Session } from '../postgres/session.js';
import type { Step } from './step.js';

/** A number that no other program's advisory locks are likely to start with: "seed" in ASCII. */
export const ADVISORY_NAMESPACE = 0x73656564;

/**
 * Makes loaders of one fixture take turns until the transaction ends. Rows would come out right without it, but two
 * transactions that insert the same keys would wait for each other row by row. Returns whether another loader had to be
 * waited for.
 */
export async function lockFixture({ session, fixture, table, context }: Step): Promise<boolean> {
  return takeTurn(session, `${table.schema}.${table.name}.${fixture.name}`, () => {
    context.onNotice(`another scale-seed is at work on ${fixture.name}: waiting for it to finish`);
  });
}

/**
 * Makes loaders that want a table for themselves take turns until the transaction ends: two that have read it and then
 * both lock it would wait for each other for ever, and one that waits for its sibling must not run out of time.
 */
export async function lockLoaders({ session, table }: Step): Promise<void> {
  await takeTurn(session, `${table.schema}.${table.name}`, () => undefined);
}

/** Returns whether another session had to be waited for. */
async function takeTurn(session: Session, key: string, onWait: () => void): Promise<boolean> {
  const { rows } = await session.query<{ locked: boolean }>(
    'select pg_try_advisory_xact_lock($1::int, hashtext($2)) as locked',
    [ADVISORY_NAMESPACE, key],
  );
  if (rows[0]?.locked === true) return false;
  onWait();
  await session.query('select pg_advisory_xact_lock($1::int, hashtext($2))', [ADVISORY_NAMESPACE, key]);
  return true;
}
