import type { LoadPath } from './load-path.js';
import type { Sample } from './measure.js';
import type { PathResult } from './result.js';
import type { Statistician } from './statistics.js';

/** The path to which all others are compared. */
export const REFERENCE = 'published';

/** What the samples say of each path; ratios pair the runs of one round. */
export function summarizePaths(
  paths: readonly LoadPath[],
  samples: readonly Sample[],
  rows: number,
  { estimate }: Statistician,
): PathResult[] {
  const msOf = (name: string): number[] =>
    samples.filter(({ path }) => path.name === name).map(({ ms }) => ms);
  const reference = msOf(REFERENCE);
  return paths.map(({ name, about, floor }) => {
    const samplesMs = msOf(name);
    const time = estimate(samplesMs);
    const ratios = samplesMs.map((ms, round) => ms / (reference[round] ?? NaN));
    return {
      name,
      about,
      floor: floor === true,
      samplesMs: samplesMs.map((ms) => Math.round(ms * 10) / 10),
      phases: samples.flatMap(({ path, phases }) =>
        path.name === name && phases !== undefined ? [phases] : [],
      ),
      time,
      ...(reference.length === samplesMs.length ? { ratio: estimate(ratios) } : {}),
      rowsPerSecond: Math.round(rows / (time.median / 1000)),
    };
  });
}
