import { describe, expect, it } from 'vitest';
import { compareResults } from '../../bench/compare.js';
import type { BenchResult } from '../../bench/result.js';
import { resultOf } from './bench-result.js';

/** A result in which `online` took the given shares of the published time. */
function sharesOf(shares: number[], publishedMs = 500): BenchResult {
  const published = shares.map((_, i) => publishedMs + i);
  const online = shares.map((share, i) => share * (published[i] ?? 0));
  return resultOf({ published: { samplesMs: published }, online: { samplesMs: online } });
}

describe('comparisons', () => {
  const before = sharesOf([0.4, 0.41, 0.39, 0.42, 0.4, 0.41, 0.38]);

  it('leave out what was measured without its reference, then or now', () => {
    const alone = sharesOf([0.4, 0.41, 0.39]);
    alone.sizes[0]!.paths = alone.sizes[0]!.paths.filter(({ name }) => name === 'online');
    expect(compareResults(before, alone, 10)).toEqual([]);
    expect(compareResults(alone, before, 10)).toEqual([]);
  });

  it.each<[string, BenchResult, string, boolean]>([
    [
      'the same on a machine twice as slow',
      sharesOf([0.41, 0.4, 0.39, 0.4, 0.42, 0.38, 0.41], 1000),
      'no difference beyond the noise',
      false,
    ],
    ['a third slower', sharesOf([0.54, 0.55, 0.53, 0.52, 0.55, 0.54, 0.53]), 'slower', true],
    [
      'slower, but within the threshold',
      sharesOf([0.43, 0.435, 0.44, 0.43, 0.44, 0.43, 0.435]),
      'slower',
      false,
    ],
    ['faster', sharesOf([0.3, 0.31, 0.29, 0.3, 0.31, 0.3, 0.29]), 'faster', false],
    [
      'one bad run',
      sharesOf([0.4, 0.41, 1.2, 0.42, 0.4, 0.41, 0.38]),
      'no difference beyond the noise',
      false,
    ],
  ])('see through the noise: %s', (_, after, verdict, regressed) => {
    const [comparison] = compareResults(before, after, 10);
    expect(comparison).toMatchObject({ size: '100k', path: 'online', verdict, regressed });
  });
});
