import type { Session } from '../postgres/session.js';

/** How many rows a FROM clause gives, with its WHERE and what else there is after it. */
export async function countRows(session: Session, from: string, values: unknown[] = []): Promise<number> {
  const { rows } = await session.query<{ count: string }>(`select count(*) ${from}`, values);
  return Number(rows[0]?.count);
}
