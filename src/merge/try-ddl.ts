import { hasState, type ScaleSeedError } from '../errors.js';
import type { Session } from '../postgres/session.js';

export const BEFORE_DDL = 'rollback to savepoint ddl';

/** Runs DDL that can be done without; where the server refuses it, nothing of it stands, and the error is returned. */
export async function tryDdl(session: Session, ddl: string): Promise<ScaleSeedError | undefined> {
  session.soon('savepoint ddl');
  let refusal: ScaleSeedError | undefined;
  try {
    await session.query(ddl);
  } catch (error) {
    if (!hasState(error, /^(?!08|40|53|57)/)) throw error;
    await session.query(BEFORE_DDL);
    refusal = error;
  }
  // Released as that of a merge is.
  session.soon('release savepoint ddl');
  return refusal;
}
