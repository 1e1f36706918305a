/** Numbers above 0 and up to 1, the same ones for the same seed: the minimal standard generator of Park and Miller. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
