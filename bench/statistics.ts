import type * as SimpleStatistics from 'simple-statistics';
import type { Estimate } from './result.js';

type Statistics = typeof SimpleStatistics;

const RESAMPLES = 2000;

/** Statistics on small samples, by simple-statistics; every draw comes from a seeded generator, so it can be repeated. */
export interface Statistician {
  /** Median with its 95 % bootstrap interval. */
  estimate: (samples: readonly number[]) => Estimate;
  /** Probability of a difference as large as this, if there were none: a permutation test of the means. */
  probabilityOfNoDifference: (one: readonly number[], other: readonly number[]) => number;
}

export function statistician(statistics: Statistics): Statistician {
  const { median, quantile, sampleWithReplacement, permutationTest } = statistics;
  return {
    estimate(samples) {
      const random = seededRandom(1);
      const medians = Array.from({ length: RESAMPLES }, () =>
        median(sampleWithReplacement([...samples], samples.length, random)),
      );
      return { median: median([...samples]), interval: [quantile(medians, 0.025), quantile(medians, 0.975)] };
    },
    probabilityOfNoDifference: (one, other) =>
      permutationTest([...one], [...other], 'two_side', 10_000, seededRandom(2)),
  };
}

/** Mulberry32: numbers from 0 to 1, the same ones for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
