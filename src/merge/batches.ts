import type { Staging } from '../copy/staging.js';
import type { Phase } from '../errors.js';
import type { Step } from '../run/step.js';

/**
 * Rows are copied and merged in batches, so that the server merges one while the next is encoded, and starts as soon as
 * there is something to merge. Batches grow, as each costs a few round trips.
 */
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
    await Promise.all([work(rows), staging.encodeAhead(wanted)]);
    count(phase, rows);
    counted = staging.rows;
    if (staging.ended) return;
    staging.empty();
    enter('copy');
    await staging.copy(wanted);
    enter(phase);
  }
}
