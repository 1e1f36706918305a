import type { CiReport } from '../report/result.js';
import { defineCommand } from './define-command.js';
import { loadOptions, loadOptionsOf, optedOut, type LoadFlags } from './load.js';
import type { FileFlags } from './outputs.js';
import { parseDuration, parsePercent, parseRatio } from './parse.js';
import { OPERATION } from './shared-options.js';

interface CiFlags extends LoadFlags, FileFlags {
  output?: string;
  baseline?: string;
  maxRegression?: number;
  budget?: number;
  budgetRatio?: number;
  pristine?: true;
}

export const registerCi = defineCommand<CiFlags>('ci', {
  description: 'wait, load, verify, and judge the load: exit 3 over budget or regressed, 4 drifted',
  ...OPERATION,
  options: [
    [
      '--budget <duration>',
      'longest time that the load may take, without connecting, waiting and settling',
      parseDuration,
    ],
    [
      '--budget-ratio <r>',
      'the same, as a multiple of a reference load by plain INSERT ... SELECT in a scratch schema',
      parseRatio,
    ],
    ['--pristine', 'verify strictly, not as verify --live does'],
    ['--baseline <file>', "an earlier run's report to compare with"],
    ['--max-regression <percent>', 'how much slower than that the load may be (default: 20)', parsePercent],
    ...loadOptions(),
  ],
  groups: {
    ...OPERATION.groups,
    'Output:': [
      ...OPERATION.groups['Output:'],
      ['--summary <file>', 'append the report as Markdown to a file (default: $GITHUB_STEP_SUMMARY)'],
      ['--junit <file>', 'write the fixtures and criteria as JUnit XML'],
      ['--benchmark <file>', 'write the times for github-action-benchmark (customSmallerIsBetter)'],
    ],
  },
  examples: [
    ['scale-seed ci --wait 60s --budget-ratio 0.9', 'on a noisy runner'],
    ['scale-seed ci --budget 8s --output report.json', 'on a machine of your own'],
    ['scale-seed ci --baseline report.json', 'is it slower than last time?'],
  ],
  codes: ['overBudget', 'drift'],
  run: async (names, flags) => (optedOut() ? undefined : runCi(names, flags)),
});

async function runCi(names: readonly string[], flags: CiFlags): Promise<CiReport> {
  const { ci, execute, publishCi, publishCiFailure, readBaseline } = await import('./on-database.js');
  const { budget: budgetMs, budgetRatio, maxRegression: maxRegressionPercent, pristine } = flags;
  const criteria = { budgetMs, budgetRatio, maxRegressionPercent, pristine };
  return execute(
    'ci',
    names,
    flags,
    async (options) =>
      ci({ ...options, ...loadOptionsOf(flags), ...criteria, baseline: await readBaseline(flags.baseline) }),
    {
      done: (report) => publishCi(report, flags),
      failed: (error, mayWrite) => publishCiFailure(error, flags, mayWrite),
      unasked: flags.summary === undefined ? { GITHUB_STEP_SUMMARY: process.env.GITHUB_STEP_SUMMARY } : {},
    },
  );
}
