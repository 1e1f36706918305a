import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { messageOf, ScaleSeedError } from '../errors.js';
import type { Baseline } from '../judge/baseline.js';
import { conclude } from './conclude.js';
import { execute } from './execute.js';
import { withHelp } from './help.js';
import { loadOptionsOf, withLoadFlags, withModeFlags, type LoadFlags } from './load.js';
import { skipWhenOptedOut } from './opt-in.js';
import type { FileFlags } from './outputs.js';
import { parseDuration, parsePercent, parseRatio } from './parse.js';
import { fixturesOf, withDatabaseFlags, withFixtureFlags, withOutputFlags } from './shared-options.js';

interface CiFlags extends LoadFlags, FileFlags {
  budget?: number;
  budgetRatio?: number;
  baseline?: string;
  maxRegression?: number;
}

/** `scale-seed ci`. */
export function registerCi(program: Command): void {
  const command = program
    .command('ci')
    .description('wait, load, verify, and judge the load: exit 3 over budget or regressed, 4 drifted')
    .option('--budget <duration>', 'most that the load may take', parseDuration)
    .option(
      '--budget-ratio <r>',
      'most that it may take, as a multiple of a reference load by plain INSERT ... SELECT in a scratch schema',
      parseRatio,
    )
    .option('--baseline <file>', "an earlier run's report, to compare with")
    .option(
      '--max-regression <percent>',
      'how much slower than it the load may be (default: 20)',
      parsePercent,
    )
    .action(async (names: string[], flags: CiFlags) => {
      if (skipWhenOptedOut(process.env)) return;
      process.exitCode = await runCi(names, flags);
    });
  withOutputFlags(withLoadFlags(withDatabaseFlags(withFixtureFlags(withModeFlags(command)))))
    .option('--summary <file>', 'append the report as Markdown to a file (default: $GITHUB_STEP_SUMMARY)')
    .option('--junit <file>', 'write the fixtures and criteria as JUnit XML')
    .option('--benchmark <file>', 'write the times for github-action-benchmark (customSmallerIsBetter)');
  withHelp(
    command,
    [
      ['scale-seed ci --wait 60s --budget-ratio 0.9', 'on a noisy runner'],
      ['scale-seed ci --budget 8s --output report.json', 'on a machine of your own'],
      ['scale-seed ci --baseline report.json', 'is it slower than last time?'],
    ],
    ['overBudget', 'drift'],
  );
}

async function runCi(names: readonly string[], flags: CiFlags): Promise<number> {
  // Loaded here and not before, as all that follows from it: the other commands need none of it.
  const [{ ci }, { publishCi, publishFailure }] = await Promise.all([
    import('../operations/ci.js'),
    import('./ci-outputs.js'),
  ]);
  try {
    const { budget: budgetMs, budgetRatio, maxRegression: maxRegressionPercent } = flags;
    const baseline = await baselineOf(flags);
    const chosen = await fixturesOf(names, flags);
    const report = await execute('ci', flags, (control) =>
      ci({
        ...loadOptionsOf(flags),
        ...control,
        ...chosen,
        budgetMs,
        budgetRatio,
        baseline,
        maxRegressionPercent,
      }),
    );
    await publishCi(report, flags, process.env);
    return conclude(report);
  } catch (error) {
    await publishFailure(error, flags, process.env);
    throw error;
  }
}

async function baselineOf({ baseline: file, maxRegression }: CiFlags): Promise<Baseline | undefined> {
  if (file !== undefined) return (await readJson(file)) as Baseline;
  if (maxRegression === undefined) return undefined;
  throw new ScaleSeedError('--max-regression needs something to compare with', {
    code: 'usage',
    phase: 'configure',
    hint: "add --baseline FILE, an earlier run's report",
  });
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    throw new ScaleSeedError(`the baseline ${file} cannot be read: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      hint: 'name what an earlier run wrote with --output, or leave out --baseline on the first run',
    });
  }
}
