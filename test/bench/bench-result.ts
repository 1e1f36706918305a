import type { PathKind } from '../../bench/load-path.js';
import type { BenchResult, PathResult } from '../../bench/result.js';
import { estimateMedian } from '../../src/judge/median-interval.js';

/** What a path took in each round, and what is out of the ordinary about it. */
export interface Times {
  samplesMs: number[];
  kind?: PathKind;
  to?: string;
  more?: Partial<PathResult>;
}

/** A result of one size with such paths, each compared with `to`, which is `published` where nothing is named. */
export function resultOf(times: Readonly<Record<string, Times>>): BenchResult {
  const paths = Object.entries(times).map(
    ([name, { samplesMs, kind = 'rival', to = 'published', more }]): PathResult => {
      const reference = times[to]?.samplesMs;
      const ratios = samplesMs.map((ms, round) => ms / (reference?.[round] ?? NaN));
      return {
        name,
        about: `about ${name}`,
        kind,
        samplesMs,
        phases: [],
        time: estimateMedian(samplesMs),
        ...(reference === undefined ? {} : { ratio: { ...estimateMedian(ratios), to } }),
        rowsPerSecond: 1000,
        ...more,
      };
    },
  );
  return {
    version: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    machine: { cpu: 'a processor', cores: 2, memoryBytes: 2 ** 34, node: '20.19.0', platform: 'linux x64' },
    server: { version: '18.4', settings: {} },
    sandbox: 'a fresh database',
    sizes: [{ size: '100k', rows: 100_000, paths, skipped: [] }],
  };
}
