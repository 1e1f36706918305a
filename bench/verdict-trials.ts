/**
 * Tries the verdict of `ci` on a machine whose cores are all kept busy: the default fleet must pass every time, and the
 * same fleet out of a generator that sleeps must be caught every time: one three times as slow by `--budget-ratio`, one
 * that takes half as long again by `--baseline`, a report of the same fleet with ratios, or without any.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import pg from 'pg';
import { choiceOption, parseRatio } from '../src/commands/parse.js';
import type { CiReport } from '../src/index.js';
import { estimateMedian } from '../src/judge/median-interval.js';
import { CLI } from './command-line.js';
import { startEmptyServer } from './empty-server.js';
import { parseCount } from './parse-count.js';
import { MS_PER_ROW, writeSlowFixtures } from './slow-fixtures.js';

interface Trial {
  exitCode: number;
  /** Absent where the run failed; then `message` says how. */
  report: CiReport | undefined;
  message: string;
  seconds: number;
}

const WIDTHS = [4, 12, 8, 5, 14, 6, 7];

interface Flags {
  trials: number;
  busy: number;
  budgetRatio: number;
  only?: 'usual' | 'slow';
  against?: 'ratios' | 'times';
  slower: number;
}

const flags = new Command('npm run bench:verdict --')
  .description('Tries the verdict of ci on a busy machine.')
  .option('--trials <n>', 'of each kind', parseCount, 30)
  .option('--busy <n>', 'processes that keep cores busy', parseCount, availableParallelism())
  .option('--budget-ratio <r>', 'the budget', parseRatio, 0.9)
  .addOption(choiceOption('--only <kind>', 'only the usual fleet, or the slow one', ['usual', 'slow']))
  .addOption(choiceOption('--against <what>', 'a baseline in place of a budget', ['ratios', 'times']))
  .option('--slower <r>', 'how much slower the slow fleet is than the baseline', parseRatio, 1.5)
  .parse()
  .opts<Flags>();

const folder = await mkdtemp(join(tmpdir(), 'scale-seed-verdict-'));
const server = await startEmptyServer();
const client = new pg.Client({ connectionString: server.url });
const busy: ChildProcess[] = [];
try {
  await client.connect();
  for (let i = 0; i < flags.busy; i++) {
    busy.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  }
  await runTrials();
} finally {
  for (const child of busy) child.kill();
  await client.end();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

async function runTrials(): Promise<void> {
  const usual = estimateMedian(await loadTimes(5)).median;
  print(`usual load ${Math.round(usual)} ms with ${flags.busy} busy processes`);
  const own = (await writeSlowFixtures(folder)).flatMap((file) => ['--fixture', file]);
  const slower = flags.against === undefined ? 3 : flags.slower;
  const limit = await limitOf(own);
  if (flags.only !== 'slow') {
    const right = await tryMany('default fleet', 0, () =>
      runCi(flags.against === undefined ? limit : [...own, ...limit]),
    );
    print(`passed: ${right} of ${flags.trials}`);
  }
  if (flags.only !== 'usual') {
    const slow = { [MS_PER_ROW]: String(((slower - 1) * usual) / 15_000) };
    const caught = await tryMany(`${slower} times slower`, 3, () => runCi([...own, ...limit], slow));
    print(`caught: ${caught} of ${flags.trials}`);
  }
}

/** What the runs are judged by; a baseline is the report of a run that had one itself, so that its interval is narrow. */
async function limitOf(own: readonly string[]): Promise<string[]> {
  if (flags.against === undefined) return ['--budget-ratio', String(flags.budgetRatio)];
  const [first, second] = ['first.json', 'second.json'].map((name) => join(folder, name));
  await runCi([...own, ...(flags.against === 'times' ? [] : ['--budget-ratio', '1000']), '--output', first!]);
  if (flags.against === 'times') return ['--baseline', first!];
  const { report } = await runCi([...own, '--baseline', first!, '--output', second!]);
  print(`baseline ${describe(report!).slice(2).join(', ')} rounds`);
  return ['--baseline', second!];
}

async function loadTimes(count: number): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count) {
    const { report, message } = await runCi([]);
    if (report === undefined) throw new Error(message);
    times.push(report.timings.workMs);
  }
  return times;
}

/** Returns how many trials ended in the exit code that is right; each is told as soon as it has ended. */
async function tryMany(title: string, expected: number, trial: () => Promise<Trial>): Promise<number> {
  print(`\n${title}`);
  printRow(['exit', 'outcome', 'load', 'ratio', '95 % interval', 'rounds', 'seconds']);
  let right = 0;
  for (let i = 1; i <= flags.trials; i++) {
    const { exitCode, report, message, seconds } = await trial();
    if (exitCode === expected) right += 1;
    if (report === undefined) print(`${exitCode} failed: ${message}`);
    else printRow([String(exitCode), ...describe(report), seconds.toFixed(1)]);
  }
  if (right < flags.trials) process.exitCode = 1;
  return right;
}

function describe({ reference, verdict, timings: { workMs } }: CiReport): string[] {
  const { median, interval, rounds } = reference!;
  return [
    verdict.checks.at(-1)!.outcome,
    `${Math.round(workMs)} ms`,
    median.toFixed(2),
    interval.map((end) => end.toFixed(2)).join(' to '),
    String(rounds.length),
  ];
}

/** Runs the built `ci` on empty tables. */
async function runCi(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Trial> {
  await client.query('truncate managed_certificates, agents');
  const startMs = performance.now();
  return new Promise((done) => {
    const command = [CLI, 'ci', '--quiet', '--format', 'json', '--database-url', server.url, ...args];
    const env = { PATH: process.env.PATH, ...more };
    execFile(process.execPath, command, { env }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : Number(error.code);
      const seconds = (performance.now() - startMs) / 1000;
      const report = stdout === '' ? undefined : (JSON.parse(stdout) as CiReport);
      done({ exitCode, report, message: stderr, seconds });
    });
  });
}

function printRow(cells: readonly string[]): void {
  print(cells.map((cell, column) => cell.padStart(WIDTHS[column] ?? 0)).join('  '));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
