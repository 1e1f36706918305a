import { permutationTest } from 'simple-statistics';

const PERMUTATIONS = 10_000;

/**
 * Probability of a difference as large as that between two samples, if there were none: a permutation test of the means.
 * Its draws come from a seeded generator, so it can be repeated.
 */
export function probabilityOfNoDifference(one: readonly number[], other: readonly number[]): number {
  return permutationTest([...one], [...other], 'two_side', PERMUTATIONS, seededRandom(2));
}

/** Mulberry32: numbers from 0 to 1, the same ones for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
