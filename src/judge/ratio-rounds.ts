import { estimateMedian, type MedianEstimate } from './median-interval.js';
import type { RatioRound } from '../report/result.js';

/** With fewer there is no interval of 95 %. */
const MIN_ROUNDS = 6;
/** A difference that has not shown by then is smaller than the noise. */
const MAX_ROUNDS = 15;
/** The same where two runs are compared: with both cores busy, the median of 15 rounds is known to 30 %. */
const MAX_ROUNDS_TO_COMPARE = 45;

/**
 * An earlier ratio with the regression that is allowed. Its median is taken at its word, since the allowance is there for
 * the noise: measured from the far end of its interval, a load 1.4 times as slow would be caught at 20 % in a fifth of
 * all runs, instead of nine tenths (10 % noise, simulated), and one that has not changed is caught in none either way.
 */
export function regressionLimit(median: number, percent: number): number {
  return median * (1 + percent / 100);
}

/** Whether the interval of a median is too wide for a difference of so many percent to show. */
export function isTooWide({ median, interval: [low, high] }: MedianEstimate, percent: number): boolean {
  return (high - low) / median > percent / 100;
}

/** What rounds have to settle: limits, and how wide the interval may be, in percent of the median. */
export interface Wanted {
  limits: readonly number[];
  widthPercent: number;
}

/** Takes rounds until each limit is settled, or the noise is larger; as many fresh ones must confirm that one is exceeded. */
export async function takeRounds(
  { limits, widthPercent }: Wanted,
  takeOne: (round: number) => Promise<Omit<RatioRound, 'confirming'>>,
  onExceeded: (rounds: number) => void = () => undefined,
): Promise<RatioRound[]> {
  let round = 0;
  const untilSettled = async (open: readonly number[], confirming: boolean): Promise<RatioRound[]> => {
    const rounds: RatioRound[] = [];
    while (!areEnough(rounds, { limits: open, widthPercent }))
      rounds.push({ ...(await takeOne((round += 1))), confirming });
    return rounds;
  };
  const rounds = await untilSettled(limits, false);
  const exceeded = limits.filter((limit) => sideOf(rounds, limit) === 'over');
  if (exceeded.length === 0) return rounds;
  onExceeded(rounds.length);
  return [...rounds, ...(await untilSettled(exceeded, true))];
}

/** Where the interval of the rounds' median lies: wholly within the limit, wholly over it, or neither. */
export function sideOf(rounds: readonly RatioRound[], limit: number): 'within' | 'over' | 'unclear' {
  const [low, high] = estimateMedian(ratiosOf(rounds)).interval;
  if (high <= limit) return 'within';
  return low > limit ? 'over' : 'unclear';
}

/** As soon as a limit is exceeded or none is unclear and the interval is narrow, and at the latest when there are many. */
function areEnough(rounds: readonly RatioRound[], { limits, widthPercent }: Wanted): boolean {
  if (rounds.length < MIN_ROUNDS) return false;
  if (rounds.length >= (widthPercent === Infinity ? MAX_ROUNDS : MAX_ROUNDS_TO_COMPARE)) return true;
  const sides = limits.map((limit) => sideOf(rounds, limit));
  if (sides.includes('unclear')) return false;
  return sides.includes('over') || !isTooWide(estimateMedian(ratiosOf(rounds)), widthPercent);
}

/** Our time to the reference's, round by round. */
export function ratiosOf(rounds: readonly RatioRound[]): number[] {
  return rounds.map(({ oursMs, referenceMs }) => oursMs / referenceMs);
}
