import { mkdir } from 'node:fs/promises';
import { choosePaths } from './choose-paths.js';
import { describeMachine, describeServer } from './describe.js';
import type { Node, ServerAbilities } from './load-path.js';
import { measure } from './measure.js';
import type { BenchResult, SizeResult } from './result.js';
import type { Sandboxes } from './sandboxes.js';
import { summarizePaths } from './summarize.js';
import { fixturesOfSize, rowsOf } from './workload.js';
import { writeReports } from './report/write-reports.js';

export interface BenchOptions {
  sandboxes: Sandboxes;
  serverUrl: string;
  sizes: readonly string[];
  /** Names of paths; a quick choice when left out, and all where it is `['all']`. */
  paths?: readonly string[] | undefined;
  abilities: ServerAbilities;
  /** Other Nodes to run our processes by. */
  nodes: readonly Node[];
  /** Rounds that count; one more warms up. */
  runs: number;
  /** Folder for bench.json, bench.md and bench.html. */
  output: string;
  signal: AbortSignal;
  onNotice: (message: string) => void;
}

/** Runs load paths side by side. The reports are written after every round, in case a later one fails. */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const result: BenchResult = {
    version: 1,
    startedAt: new Date().toISOString(),
    machine: describeMachine(),
    server: await describeServer(options.serverUrl),
    sandbox: options.sandboxes.kind,
    sizes: [],
  };
  await mkdir(options.output, { recursive: true });
  for (const size of options.sizes) await measureSize(size, result, options);
  options.onNotice(`written: ${(await writeReports(result, options.output)).join(', ')}`);
  return result;
}

async function measureSize(
  size: string,
  result: BenchResult,
  { sandboxes, paths: names, abilities, nodes, runs, output, signal, onNotice }: BenchOptions,
): Promise<void> {
  const fixtures = fixturesOfSize(size);
  const rows = rowsOf(fixtures);
  const { paths, skipped } = choosePaths(names, rows, abilities, nodes);
  const measured: SizeResult = { size, rows, paths: [], skipped };
  result.sizes.push(measured);
  await measure(sandboxes, {
    paths,
    fixtures,
    runs,
    signal,
    onRun: (path, round) => {
      onNotice(`${size}: ${round === 0 ? 'warm-up' : `run ${round} of ${runs}`}, ${path.name}`);
    },
    onRound: async (samples) => {
      measured.paths = summarizePaths(paths, samples, rows);
      await writeReports(result, output);
    },
  });
}
