import * as simpleStatistics from 'simple-statistics';
import { describe, expect, it } from 'vitest';
import { compareResults } from '../../bench/compare.js';
import type { BenchResult } from '../../bench/result.js';
import { estimateMedian } from '../../src/judge/median-interval.js';

/** A result of one size in which `online` took the given share of the published time. */
function resultOf(shares: number[], publishedMs = 500): BenchResult {
  const path = (name: string, samplesMs: number[]) => ({
    name,
    about: '',
    floor: false,
    samplesMs,
    phases: [],
    time: estimateMedian(samplesMs),
    rowsPerSecond: 1,
  });
  const published = shares.map((_, i) => publishedMs + i);
  const online = shares.map((share, i) => share * (published[i] ?? 0));
  const machine = { cpu: '', cores: 2, memoryBytes: 0, node: '', platform: '' };
  return {
    version: 1,
    startedAt: '',
    machine,
    server: { version: '', settings: {} },
    sizes: [
      {
        size: '100k',
        rows: 100_000,
        paths: [path('published', published), path('online', online)],
        skipped: [],
      },
    ],
  };
}

describe('comparisons', () => {
  const before = resultOf([0.4, 0.41, 0.39, 0.42, 0.4, 0.41, 0.38]);

  it('leave out what was measured without its reference, then or now', () => {
    const alone = resultOf([0.4, 0.41, 0.39]);
    alone.sizes[0]!.paths = alone.sizes[0]!.paths.filter(({ name }) => name === 'online');
    expect(compareResults(before, alone, 10, simpleStatistics)).toEqual([]);
    expect(compareResults(alone, before, 10, simpleStatistics)).toEqual([]);
  });

  it.each<[string, BenchResult, string, boolean]>([
    [
      'the same on a machine twice as slow',
      resultOf([0.41, 0.4, 0.39, 0.4, 0.42, 0.38, 0.41], 1000),
      'no difference beyond the noise',
      false,
    ],
    ['a third slower', resultOf([0.54, 0.55, 0.53, 0.52, 0.55, 0.54, 0.53]), 'slower', true],
    [
      'slower, but within the threshold',
      resultOf([0.43, 0.435, 0.44, 0.43, 0.44, 0.43, 0.435]),
      'slower',
      false,
    ],
    ['faster', resultOf([0.3, 0.31, 0.29, 0.3, 0.31, 0.3, 0.29]), 'faster', false],
    [
      'one bad run',
      resultOf([0.4, 0.41, 1.2, 0.42, 0.4, 0.41, 0.38]),
      'no difference beyond the noise',
      false,
    ],
  ])('see through the noise: %s', (_, after, verdict, regressed) => {
    const [comparison] = compareResults(before, after, 10, simpleStatistics);
    expect(comparison).toMatchObject({ size: '100k', path: 'online', verdict, regressed });
  });
});
