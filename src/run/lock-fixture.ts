import type { Fixture } from '../fixtures/fixture.js';
import type { TableName } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';

/** A number that no other program's advisory locks are likely to start with: "seed" in ASCII. */
export const ADVISORY_NAMESPACE = 0x73656564;

/**
 * Makes loaders of one fixture take turns until the transaction ends. Rows would come out right without it, but two
 * transactions that insert the same keys would wait for each other row by row. Loaders of parts of a fixture share
 * the lock. Returns whether another loader had to be waited for.
 */
export async function lockFixture(
  session: Session,
  fixture: Fixture,
  { schema, name }: TableName,
  onNotice: (message: string) => void,
  shared = false,
): Promise<boolean> {
  const notice = `another scale-seed is at work on ${fixture.name}: waiting for it to finish`;
  return takeTurn(session, `${schema}.${name}.${fixture.name}`, shared, () => {
    onNotice(notice);
  });
}

/**
 * Makes loaders that want a table for themselves take turns until the transaction ends: two that have read it and then
 * both lock it would wait for each other for ever, and one that waits for its sibling must not run out of time.
 */
export async function lockLoaders(session: Session, { schema, name }: TableName): Promise<void> {
  await takeTurn(session, `${schema}.${name}`, false, () => undefined);
}

/** Returns whether another session had to be waited for. */
async function takeTurn(
  session: Session,
  key: string,
  shared: boolean,
  onWait: () => void,
): Promise<boolean> {
  const lock = shared ? 'xact_lock_shared' : 'xact_lock';
  const { rows } = await session.query<{ locked: boolean }>(
    `select pg_try_advisory_${lock}($1::int, hashtext($2)) as locked`,
    [ADVISORY_NAMESPACE, key],
  );
  if (rows[0]?.locked === true) return false;
  onWait();
  await session.query(`select pg_advisory_${lock}($1::int, hashtext($2))`, [ADVISORY_NAMESPACE, key]);
  return true;
}
