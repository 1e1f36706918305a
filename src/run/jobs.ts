import { availableParallelism } from 'node:os';
import { ScaleSeedError } from '../errors.js';

/**
 * How many sessions, or schemas, are at work at once: what was asked for, else one for each processor and two at least.
 *
 * @throws ScaleSeedError `usage` for what is no whole number above 0.
 */
export function jobsOf(asked: number | undefined): number {
  if (asked === undefined) return Math.max(2, availableParallelism());
  if (Number.isSafeInteger(asked) && asked > 0) return asked;
  throw new ScaleSeedError(`jobs must be a whole number from 1, not ${asked}`, {
    code: 'usage',
    phase: 'configure',
  });
}
