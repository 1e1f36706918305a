/** Exit codes; scripts depend on them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  overBudget: 3,
  drift: 4,
  sigint: 130,
  sigterm: 143,
} as const;
