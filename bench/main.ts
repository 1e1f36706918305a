import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type * as SimpleStatistics from 'simple-statistics';
import { messageOf, ScaleSeedError } from '../src/errors.js';
import { compareResults, readResult, type Comparison } from './compare.js';
import type { Places } from './databases.js';
import type { LoadPath } from './load-path.js';
import { measure } from './measure.js';
import { PATHS, QUICK } from './paths/index.js';
import { renderPage } from './report/page.js';
import { renderMarkdownTables } from './report/tables.js';
import type { BenchResult, SizeResult } from './result.js';
import { summarizePaths } from './summarize.js';
import { fixturesOfSize, rowsOf } from './workload.js';

export { freshDatabases, scratchSchemas, withPassword } from './databases.js';
export { renderComparison, renderTables } from './report/tables.js';

export interface BenchOptions {
  places: Places;
  serverUrl: string;
  sizes: readonly string[];
  /** Names of paths; a quick choice when left out, and all where it is `['all']`. */
  paths?: readonly string[] | undefined;
  /** Rounds that count; one more warms up. */
  runs: number;
  /** Folder for bench.json, bench.md and bench.html. */
  output: string;
  compare?: string | undefined;
  /** How much slower a path may be before `compare` calls it a regression. */
  thresholdPercent: number;
  signal: AbortSignal;
  onNotice: (message: string) => void;
}

/** Runs load paths side by side, writes what was found after every round, and compares it with an earlier result. */
export async function runBench(
  options: BenchOptions,
): Promise<{ result: BenchResult; comparisons: Comparison[] }> {
  const earlier = options.compare === undefined ? undefined : await readResult(options.compare);
  const statistics = earlier && (await loadStatistics());
  const result: BenchResult = {
    version: 1,
    startedAt: new Date().toISOString(),
    machine: describeMachine(),
    server: await describeServer(options.serverUrl),
    sizes: [],
  };
  await mkdir(options.output, { recursive: true });
  for (const size of options.sizes) await measureSize(size, result, options);
  await writeReports(result, options);
  const comparisons = statistics ? compareResults(earlier, result, options.thresholdPercent, statistics) : [];
  if (earlier !== undefined && comparisons.length === 0)
    options.onNotice(
      `nothing to compare: ${options.compare ?? ''} and this run have no path with its reference in common`,
    );
  return { result, comparisons };
}

async function measureSize(
  size: string,
  result: BenchResult,
  { places, paths: names, runs, output, signal, onNotice }: BenchOptions,
): Promise<void> {
  const fixtures = fixturesOfSize(size);
  const rows = rowsOf(fixtures);
  const { paths, skipped } = await choosePaths(names, rows);
  const measured: SizeResult = { size, rows, paths: [], skipped };
  result.sizes.push(measured);
  await measure(places, {
    paths,
    fixtures,
    runs,
    signal,
    onRun: (path, round) => {
      onNotice(`${size}: ${round === 0 ? 'warm-up' : `run ${round} of ${runs}`}, ${path.name}`);
    },
    onRound: async (samples) => {
      measured.paths = summarizePaths(paths, samples, rows);
      await writeFile(join(output, 'bench.json'), `${JSON.stringify(result, null, 2)}\n`);
    },
  });
}

async function choosePaths(
  names: readonly string[] | undefined,
  rows: number,
): Promise<{ paths: LoadPath[]; skipped: SizeResult['skipped'] }> {
  const all = names?.[0] === 'all';
  const wanted = all ? PATHS : (names ?? QUICK).map(findPath);
  const paths: LoadPath[] = [];
  const skipped: SizeResult['skipped'] = [];
  for (const path of wanted) {
    const tooMany = (all || names === undefined) && path.maxRows !== undefined && rows > path.maxRows;
    const reason = tooMany ? `too slow for ${rows} rows: name it to have it run` : await path.unavailable?.();
    if (reason === undefined) paths.push(path);
    else skipped.push({ name: path.name, reason });
  }
  return { paths, skipped };
}

function findPath(name: string): LoadPath {
  const path = PATHS.find((candidate) => candidate.name === name);
  if (path !== undefined) return path;
  throw new ScaleSeedError(`there is no load path ${name}`, {
    code: 'usage',
    phase: 'configure',
    hint: `paths are all, ${PATHS.map((known) => known.name).join(', ')}`,
  });
}

async function writeReports(result: BenchResult, { output, onNotice }: BenchOptions): Promise<void> {
  await writeFile(join(output, 'bench.md'), renderMarkdownTables(result));
  try {
    await writeFile(join(output, 'bench.html'), await renderPage(result));
  } catch (error) {
    onNotice(`the page with charts was not written: ${messageOf(error)}; npm install vega vega-lite`);
  }
}

async function loadStatistics(): Promise<typeof SimpleStatistics> {
  try {
    return await import('simple-statistics');
  } catch (error) {
    throw new ScaleSeedError(`--compare needs the package simple-statistics: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      hint: 'npm install simple-statistics',
    });
  }
}

function describeMachine(): BenchResult['machine'] {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
  };
}

async function describeServer(url: string): Promise<BenchResult['server']> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; setting: string }>(
      `select name, current_setting(name) as setting from pg_settings
       where name in ('server_version', 'shared_buffers', 'fsync', 'synchronous_commit', 'full_page_writes',
         'max_wal_size', 'maintenance_work_mem', 'autovacuum') order by name`,
    );
    const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    const { server_version: version = '', ...rest } = settings;
    return { version, settings: rest };
  } finally {
    await client.end();
  }
}
