import { estimateMedian } from './median-interval.js';
import type { RatioMeasurement, RatioRound } from './result.js';

/** A ratio counts as within the limit up to `within`, and as over it above `over`; between the two nobody knows. */
export interface RatioLimit {
  within: number;
  over: number;
}

/** With fewer there is no interval of 95 %. */
const MIN_ROUNDS = 6;
/** A difference that has not shown by then is smaller than the noise. */
const MAX_ROUNDS = 15;

/** A ratio that is given. */
export function budgetLimit(ratio: number): RatioLimit {
  return { within: ratio, over: ratio };
}

/** A ratio that was measured, and so is only known to lie in an interval, with the regression that is allowed. */
export function regressionLimit([low, high]: [number, number], percent: number): RatioLimit {
  const allowed = 1 + percent / 100;
  return { within: low * allowed, over: high * allowed };
}

/**
 * Takes rounds until every limit is settled, or the noise has shown itself to be larger than the difference; where a
 * limit seems to be exceeded, takes as many fresh rounds to confirm it.
 */
export async function takeRounds(
  limits: readonly RatioLimit[],
  takeOne: (round: number) => Promise<Omit<RatioRound, 'confirming'>>,
  onExceeded: (rounds: number) => void = () => undefined,
): Promise<RatioRound[]> {
  let round = 0;
  const untilSettled = async (wanted: readonly RatioLimit[], confirming: boolean): Promise<RatioRound[]> => {
    const rounds: RatioRound[] = [];
    while (!areEnough(rounds, wanted)) rounds.push({ ...(await takeOne((round += 1))), confirming });
    return rounds;
  };
  const rounds = await untilSettled(limits, false);
  const exceeded = limits.filter((limit) => sideOf(rounds, limit) === 'over');
  if (exceeded.length === 0) return rounds;
  onExceeded(rounds.length);
  return [...rounds, ...(await untilSettled(exceeded, true))];
}

/** Where the interval of the rounds' median lies: wholly within the limit, wholly over it, or neither. */
function sideOf(rounds: readonly RatioRound[], { within, over }: RatioLimit): 'within' | 'over' | 'unclear' {
  const [low, high] = estimateMedian(ratiosOf(rounds)).interval;
  if (high <= within) return 'within';
  return low > over ? 'over' : 'unclear';
}

/** As soon as no limit is unclear, and at the latest when there are many. */
function areEnough(rounds: readonly RatioRound[], limits: readonly RatioLimit[]): boolean {
  if (rounds.length < MIN_ROUNDS) return false;
  return rounds.length >= MAX_ROUNDS || limits.every((limit) => sideOf(rounds, limit) !== 'unclear');
}

/** What a measurement says of a limit; over it is only what fresh rounds have confirmed. */
export function judgeRounds(
  { rounds }: Pick<RatioMeasurement, 'rounds'>,
  limit: RatioLimit,
): 'within' | 'over' | 'unclear' | 'unconfirmed' {
  const part = (confirming: boolean): RatioRound[] =>
    rounds.filter((round) => round.confirming === confirming);
  const side = sideOf(part(false), limit);
  if (side !== 'over') return side;
  return sideOf(part(true), limit) === 'over' ? 'over' : 'unconfirmed';
}

/** Our time to the reference's, round by round. */
export function ratiosOf(rounds: readonly RatioRound[]): number[] {
  return rounds.map(({ oursMs, referenceMs }) => oursMs / referenceMs);
}
