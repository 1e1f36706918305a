import type { Command } from 'commander';
import { seedParents } from '../run/context.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { onInterrupt } from './interrupt.js';
import { parsePercent, wholeNumber } from './parse.js';

interface BenchFlags {
  size: string[];
  paths?: string[];
  runs: number;
  output: string;
  compare?: string;
  threshold: number;
  databaseUrl?: string;
}

/** `scale-seed bench`. */
export function registerBench(program: Command): void {
  const command = program
    .command('bench')
    .description('run the load paths side by side and write the comparison')
    .option('--size <sizes>', '10k+5k, 50k+10k, 100k or 1m; more than one with commas', list, ['10k+5k'])
    .option('--paths <names>', 'load paths, with commas; `all` for every one (default: a quick choice)', list)
    .option('--runs <n>', 'rounds that count; one more warms up', parseRuns, 6)
    .option('--output <dir>', 'folder for bench.json, bench.md and bench.html', 'bench/results')
    .option('--compare <file>', 'an earlier bench.json; exit 3 where a path has regressed')
    .option('--threshold <percent>', 'how much slower is a regression', parsePercent, 10)
    .option(
      '--database-url <url>',
      'run in a scratch schema of this database (default: fresh databases of the embedded server)',
    )
    .action(bench);
  withHelp(
    command,
    [
      ['scale-seed bench', 'a quick comparison'],
      ['scale-seed bench --size 100k,1m --paths all', 'everything'],
      ['scale-seed bench --compare last/bench.json', 'has a path regressed?'],
    ],
    ['overBudget'],
  );
}

async function bench(flags: BenchFlags): Promise<void> {
  // Loaded here and not before: the benchmarks' packages are optional.
  const { runBench, freshDatabases, scratchSchemas, withPassword, renderTables, renderComparison } =
    await import('../../bench/main.js');
  const { startEmbedded } = await import('../embedded/index.js');
  const onNotice = (message: string): void => void process.stderr.write(`${message}\n`);
  const interruption = onInterrupt();
  const server =
    flags.databaseUrl === undefined ? await startEmbedded({ seed: seedParents, onNotice }) : undefined;
  const serverUrl = withPassword(flags.databaseUrl ?? server!.url);
  try {
    const places = await (server === undefined ? scratchSchemas : freshDatabases)(serverUrl);
    try {
      const { result, comparisons } = await runBench({
        ...flags,
        places,
        serverUrl,
        sizes: flags.size,
        thresholdPercent: flags.threshold,
        signal: interruption.signal,
        onNotice,
      });
      process.stdout.write(renderTables(result));
      if (comparisons.length > 0) process.stdout.write(`\n${renderComparison(comparisons)}`);
      process.exitCode = comparisons.some(({ regressed }) => regressed) ? EXIT.overBudget : EXIT.done;
    } finally {
      await places.close();
    }
  } finally {
    await server?.stop();
    interruption.off();
  }
}

function parseRuns(text: string): number {
  return wholeNumber(text, 1, 999);
}

function list(text: string): string[] {
  return text.split(',').filter(Boolean);
}
