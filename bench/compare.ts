import { readFile } from 'node:fs/promises';
import { messageOf, ScaleSeedError } from '../src/errors.js';
import { estimateMedian } from '../src/judge/median-interval.js';
import type { BenchResult, PathResult } from './result.js';
import { probabilityOfNoDifference } from './statistics.js';
import { REFERENCE } from './summarize.js';

const NO_DIFFERENCE = 'no difference beyond the noise';

export interface Comparison {
  size: string;
  path: string;
  verdict: 'faster' | 'slower' | typeof NO_DIFFERENCE;
  /** New time against old, each as a ratio to the reference of its own run. */
  change: number;
  probability: number;
  regressed: boolean;
}

/** A difference counts where chance would show one as large less often than this. */
const SIGNIFICANT = 0.05;

/**
 * Compares two results path by path. Machines differ and drift, so it is ratios to each path's reference that are
 * compared, by a permutation test; a path has regressed where it is slower by more than `thresholdPercent`. A path that
 * was measured without its reference, then or now, is left out.
 */
export function compareResults(
  before: BenchResult,
  after: BenchResult,
  thresholdPercent: number,
): Comparison[] {
  return after.sizes.flatMap(({ size, paths }) => {
    const earlier = before.sizes.find((candidate) => candidate.size === size)?.paths ?? [];
    return paths.flatMap((path) => {
      const old = earlier.find(({ name }) => name === path.name);
      const reference = path.ratio?.to ?? REFERENCE;
      if (old === undefined || path.name === reference) return [];
      const [one, other] = [ratiosOf(old, reference, earlier), ratiosOf(path, reference, paths)];
      if (one.length === 0 || other.length === 0) return [];
      const probability = probabilityOfNoDifference(one, other);
      const change = estimateMedian(other).median / estimateMedian(one).median;
      const differs = probability < SIGNIFICANT;
      const verdict = !differs ? NO_DIFFERENCE : change < 1 ? 'faster' : 'slower';
      return [
        {
          size,
          path: path.name,
          verdict,
          change,
          probability,
          regressed: differs && change > 1 + thresholdPercent / 100,
        },
      ];
    });
  });
}

function ratiosOf(path: PathResult, reference: string, all: readonly PathResult[]): number[] {
  const referenceMs = all.find(({ name }) => name === reference)?.samplesMs;
  return path.samplesMs.flatMap((ms, round) =>
    referenceMs?.[round] === undefined ? [] : [ms / referenceMs[round]],
  );
}

/** @throws ScaleSeedError `configuration` where the file is not a result of these benchmarks. */
export async function readResult(file: string): Promise<BenchResult> {
  try {
    const result = JSON.parse(await readFile(file, 'utf8')) as BenchResult;
    if ((result.version as number) !== 1 || !Array.isArray(result.sizes))
      throw new Error('it is of another version');
    return result;
  } catch (error) {
    throw new ScaleSeedError(`${file} cannot be compared with: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      hint: 'name the bench.json of an earlier run',
    });
  }
}
