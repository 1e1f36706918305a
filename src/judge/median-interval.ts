import type { RatioMeasurement } from '../report/result.js';

/** A median with the interval that the samples alone give it, which holds the true one with that probability. */
export type MedianEstimate = Pick<RatioMeasurement, 'median' | 'interval' | 'confidence'>;

const TAIL = 0.025;

/**
 * The median of samples, and the interval between two of them that holds the true median with at least 95 %, which takes
 * six samples; with fewer all that they span, at a lower confidence. See docs/decisions/verdict-by-ratio.md.
 */
export function estimateMedian(samples: readonly number[]): MedianEstimate {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (rank: number): number => sorted[rank - 1] ?? NaN;
  const { rank, tail } = lowerRank(sorted.length);
  return {
    median: (at(Math.ceil(sorted.length / 2)) + at(Math.floor(sorted.length / 2) + 1)) / 2,
    interval: [at(rank), at(sorted.length + 1 - rank)],
    confidence: 1 - 2 * tail,
  };
}

/** The highest rank, and at least the first, for which fewer samples than that fall below the median in no more than `TAIL` of all cases. */
function lowerRank(count: number): { rank: number; tail: number } {
  let probability = 0.5 ** count;
  let tail = probability;
  let rank = 1;
  for (; rank < count; rank++) {
    probability *= (count - rank + 1) / rank;
    if (tail + probability > TAIL) break;
    tail += probability;
  }
  return { rank, tail: Math.min(tail, 0.5) };
}
