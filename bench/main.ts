/** The load paths side by side: npm run bench -- [OPTIONS] */
import { Command, CommanderError } from 'commander';
import { reportFailure } from '../src/commands/conclude.js';
import { EXIT } from '../src/commands/exit-codes.js';
import { onInterrupt } from '../src/commands/interrupt.js';
import { parsePercent } from '../src/commands/parse.js';
import { startEmbedded } from '../src/index.js';
import { compareResults, readResult } from './compare.js';
import { abilitiesAt } from './describe.js';
import type { Node } from './load-path.js';
import { findNode } from './nodes.js';
import { parseCount } from './parse-count.js';
import { freshDatabases, scratchSchemas, withPassword } from './sandboxes.js';
import { renderComparison, renderTables } from './report/tables.js';
import { runBench } from './run-bench.js';

interface Flags {
  size: string[];
  paths?: string[];
  node: Node[];
  runs: number;
  output: string;
  compare?: string;
  threshold: number;
  databaseUrl?: string;
}

const EXAMPLES = `
Examples:
  npm run bench                                     what a user would otherwise run
  npm run bench -- --size 100k,1m --paths all       everything
  npm run bench -- --database-url postgresql://...  on a server of yours
  npm run bench -- --paths ways-back                verify, reset and clean against a first load
  npm run bench -- --compare last/bench.json        has a path regressed?`;

// Until the run says otherwise it has failed.
process.exitCode = EXIT.failed;

try {
  await new Command('npm run bench --')
    .description('Runs the load paths side by side and writes the comparison.')
    .option(
      '--size <sizes>',
      '1k+500, 10k+5k, 50k+10k, 100k, 1m or 1m+50k; more than one with commas',
      list,
      ['10k+5k'],
    )
    .option(
      '--paths <names>',
      'load paths, with commas; `all` for every one, `ways-back` for verify, reset and clean (default: a quick choice)',
      list,
    )
    .option('--node <program>', 'another Node to run our processes by; may be repeated', addNode, [])
    .option('--runs <n>', 'rounds that count; one more warms up', parseCount, 6)
    .option('--output <dir>', 'folder for bench.json, bench.md and bench.html', 'bench/results')
    .option('--compare <file>', 'an earlier bench.json; exit 3 where a path has regressed')
    .option('--threshold <percent>', 'how much slower is a regression', parsePercent, 10)
    .option(
      '--database-url <url>',
      'a server: fresh databases there, a scratch schema where the role may make none (default: the embedded server)',
    )
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .action(bench)
    .parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else process.exitCode = reportFailure(error);
}

async function bench(flags: Flags): Promise<void> {
  const earlier = flags.compare === undefined ? undefined : await readResult(flags.compare);
  const interruption = onInterrupt();
  const server = flags.databaseUrl === undefined ? await startEmbedded() : undefined;
  try {
    const serverUrl = withPassword(flags.databaseUrl ?? server!.url);
    const abilities = await abilitiesAt(serverUrl);
    // Runs in one database share caches, so each gets one of its own where the role may make it.
    const sandboxes = await (abilities.createDatabases ? freshDatabases : scratchSchemas)(serverUrl);
    onNotice(`each run gets ${sandboxes.kind}`);
    try {
      const { signal } = interruption;
      const result = await runBench({
        ...flags,
        sandboxes,
        abilities,
        serverUrl,
        sizes: flags.size,
        nodes: flags.node,
        signal,
        onNotice,
      });
      process.stdout.write(renderTables(result));
      process.exitCode = EXIT.done;
      if (earlier === undefined) return;
      const comparisons = compareResults(earlier, result, flags.threshold);
      if (comparisons.length === 0)
        onNotice('nothing to compare: the two runs share no path and its reference');
      else process.stdout.write(`\n${renderComparison(comparisons)}`);
      if (comparisons.some(({ regressed }) => regressed)) process.exitCode = EXIT.overBudget;
    } finally {
      await sandboxes.close();
    }
  } finally {
    await server?.stop();
    interruption.off();
  }
}

function addNode(program: string, before: readonly Node[]): Node[] {
  return [...before, findNode(program)];
}

function onNotice(message: string): void {
  process.stderr.write(`${message}\n`);
}

function list(text: string): string[] {
  return text.split(',').filter(Boolean);
}
