import type { MedianEstimate } from '../src/judge/median-interval.js';
import type { PathKind, Phases } from './load-path.js';

export interface PathResult {
  name: string;
  about: string;
  kind: PathKind;
  /** One a round, in order: the samples of one round were taken one after the other. */
  samplesMs: number[];
  phases: Phases[];
  time: MedianEstimate;
  /** Of the path's time to that of another in the same round; absent where that was not measured. */
  ratio?: MedianEstimate & { to: string };
  /** Absent where no row is sent. */
  rowsPerSecond?: number;
}

export interface SizeResult {
  size: string;
  rows: number;
  paths: PathResult[];
  skipped: { name: string; reason: string }[];
}

/** All that a run of the benchmarks found; kept as JSON, raw samples included. */
export interface BenchResult {
  version: 1;
  startedAt: string;
  machine: { cpu: string; cores: number; memoryBytes: number; node: string; platform: string };
  server: { version: string; settings: Record<string, string> };
  /** What each run had to itself. */
  sandbox: string;
  sizes: SizeResult[];
}
