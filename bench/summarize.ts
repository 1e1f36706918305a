import { estimateMedian } from '../src/judge/median-interval.js';
import type { LoadPath } from './load-path.js';
import type { Sample } from './measure.js';
import type { PathResult } from './result.js';

/** The path to which others are compared that name none themselves. */
export const REFERENCE = 'published';

/** What the samples say of each path; ratios pair the runs of one round. */
export function summarizePaths(
  paths: readonly LoadPath[],
  samples: readonly Sample[],
  rows: number,
): PathResult[] {
  const msOf = (name: string): number[] =>
    samples.filter(({ path }) => path.name === name).map(({ ms }) => ms);
  return paths.map(({ name, about, kind = 'rival', sendsNothing, reference = REFERENCE }) => {
    const samplesMs = msOf(name);
    const referenceMs = msOf(reference);
    const time = estimateMedian(samplesMs);
    const ratios = samplesMs.map((ms, round) => ms / (referenceMs[round] ?? NaN));
    return {
      name,
      about,
      kind,
      samplesMs: samplesMs.map((ms) => Math.round(ms * 10) / 10),
      phases: samples.flatMap(({ path, phases }) =>
        path.name === name && phases !== undefined ? [phases] : [],
      ),
      time,
      ...(referenceMs.length === samplesMs.length
        ? { ratio: { ...estimateMedian(ratios), to: reference } }
        : {}),
      ...(sendsNothing ? {} : { rowsPerSecond: Math.round(rows / (time.median / 1000)) }),
    };
  });
}
