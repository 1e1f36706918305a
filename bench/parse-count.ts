import { wholeNumber } from '../src/commands/parse.js';

/** How often something is to be done. */
export function parseCount(text: string): number {
  return wholeNumber(text, 1, 100_000);
}
