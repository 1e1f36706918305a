import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { parseCount } from '../../bench/parse-count.js';
import { FAULTS } from './faults.js';
import { preparePlace } from './place.js';
import { renderTable } from './table.js';
import { runTrial, type TrialResult } from './trial.js';
import { measureUsual } from './usual.js';

const { seed, trials, trial, fault, output } = new Command('npm run campaign --')
  .description('Disturbs commands at random moments, and holds what they say against what stands.')
  .option('--seed <n>', 'what chooses the moments', parseCount, 1)
  .option('--trials <n>', 'how many trials', parseCount, 200)
  .option('--trial <n>', 'only this one', parseCount)
  .option('--fault <text>', 'only faults whose name holds this', '')
  .option('--output <file>', 'the results', 'test/campaign/results/campaign.json')
  .parse()
  .opts<{ seed: number; trials: number; trial?: number; fault: string; output: string }>();
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const place = await preparePlace({ certs: 15_000, agents: 9_000 });
const results: TrialResult[] = [];
try {
  if (place.noFullDisk !== undefined) say(`no trial with a full disk: ${place.noFullDisk}`);
  const faults = FAULTS.filter(
    ({ name, needsFullDisk }) =>
      name.includes(fault) && !(needsFullDisk === true && place.noFullDisk !== undefined),
  );
  if (faults.length === 0) throw new Error(`no fault is named so: ${fault}`);
  const usual = await measureUsual(place);
  say(`an undisturbed load takes ${usual.durationMs} ms and ${usual.bytes} bytes`);
  const numbers = trial === undefined ? Array.from({ length: trials }, (_, index) => index + 1) : [trial];
  for (const number of numbers) {
    const chosen = faults[number % faults.length]!;
    const result = await runTrial(place, chosen, number, seed, usual);
    results.push(result);
    const verdict = result.violations.length === 0 ? 'ok' : 'VIOLATION';
    say(
      `${number} ${result.command}, ${chosen.name}, ${result.mode}, ${result.standing}: exit ${result.exits.join(' ')}, ${result.elapsedMs} ms: ${verdict}`,
    );
    for (const { kind, what } of result.violations) say(`    ${kind}: ${what.replaceAll('\n', '\n    ')}`);
  }
} finally {
  await place.close();
}
process.stdout.write(`seed ${seed}\n\n${renderTable(results)}`);
await mkdir(dirname(output), { recursive: true });
await writeFile(output, `${JSON.stringify({ seed, trials: results.length, results }, null, 2)}\n`);
process.exitCode = results.some(({ violations }) => violations.length > 0) ? 1 : 0;
