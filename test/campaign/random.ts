import { seededRandom } from '../../bench/statistics.js';

/** Random numbers that their seeds alone decide, so that a trial can be run again. */
export class Random {
  /** From 0 up to, but not including, 1. */
  readonly next: () => number;

  constructor(...seeds: readonly number[]) {
    this.next = seededRandom(
      seeds.reduce((state, seed) => Math.imul(state ^ seed, 0x9e3779b1) + 0x7f4a7c15, 0),
    );
    this.next();
  }

  /** A whole number, both ends included. */
  between(lowest: number, highest: number): number {
    return lowest + Math.floor(this.next() * (highest - lowest + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T;
  }
}
