import { Session } from '../postgres/session.js';
import type { Database } from './with-database.js';

/**
 * Does each piece of work on a session of its own, `jobs` at a time, started in order; `first` is one that is open
 * already. The first error cancels the others, and is thrown when all have come to rest.
 */
export async function onSessions<Item, Result>(
  database: Database,
  first: Session,
  items: readonly Item[],
  jobs: number,
  work: (session: Session, item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();

  async function worker(session: Session): Promise<void> {
    for (const [index, item] of queue) results[index] = await work(session, item);
  }

  async function extraWorker(): Promise<void> {
    const session = await Session.open(database.target, database.signal);
    try {
      await worker(session);
    } finally {
      await session.close();
    }
  }

  const extra = Math.max(0, Math.min(jobs, items.length) - 1);
  const workers = [worker(first), ...Array.from({ length: extra }, extraWorker)];
  let firstError: unknown;
  const settled = workers.map((running) =>
    running.catch((error: unknown) => {
      firstError ??= error;
      database.abort(error);
    }),
  );
  await Promise.all(settled);
  if (firstError !== undefined) throw firstError as Error;
  return results;
}
