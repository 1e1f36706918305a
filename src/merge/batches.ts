import { setTimeout as delay } from 'node:timers/promises';
import type { Staging } from '../copy/staging.js';
import type { Phase } from '../errors.js';
import type { Step } from '../run/step.js';

/** The server merges one batch while the next is encoded. Batches grow, as each costs a few round trips. */
export const FIRST_BATCH_ROWS = 1000;
const BATCH_GROWTH = 4;
const MAX_BATCH_ROWS = 64_000;

/** Works on the batch that is staged, of so many rows, then on all that follow; counts the rows as through `phase`. */
export async function eachBatch(
  { enter, count }: Step,
  staging: Staging,
  phase: Phase,
  work: (rows: number) => Promise<void>,
): Promise<void> {
  for (let wanted = FIRST_BATCH_ROWS, counted = 0; ;) {
    wanted = Math.min(wanted * BATCH_GROWTH, MAX_BATCH_ROWS);
    const rows = staging.rows - counted;
    await whileEncoding(staging, wanted, () => work(rows));
    count(phase, rows);
    counted = staging.rows;
    if (staging.ended) return;
    staging.empty();
    enter('copy');
    await staging.copy(wanted);
    enter(phase);
  }
}

/** How long the server may go on with what it does once a fixture has failed. */
const GRACE_MS = 200;

/** Has the next rows encoded meanwhile. Where they fail, the work may end: to cancel it can cost a pooler its connection. */
export async function whileEncoding<T>(staging: Staging, wanted: number, work: () => Promise<T>): Promise<T> {
  const working = work();
  const encoding = staging.encodeAhead(wanted).catch(async (error: unknown) => {
    const late = delay(GRACE_MS, undefined, { ref: false });
    await Promise.race([working.catch(() => undefined), late]);
    throw error;
  });
  const [result] = await Promise.all([working, encoding]);
  return result;
}
