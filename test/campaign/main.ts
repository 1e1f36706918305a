import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { FAULTS } from './faults.js';
import { preparePlace } from './place.js';
import { renderTable } from './table.js';
import { runTrial, type TrialResult } from './trial.js';
import { measureUsual } from './usual.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    trials: { type: 'string', default: '200' },
    /** Only this one. */
    trial: { type: 'string' },
    /** Only faults whose name holds this. */
    fault: { type: 'string', default: '' },
    output: { type: 'string', default: 'test/campaign/results/campaign.json' },
  },
});
const seed = Number(values.seed);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const place = await preparePlace({ certs: 15_000, agents: 9_000 });
const results: TrialResult[] = [];
try {
  if (place.noFullDisk !== undefined) say(`no trial with a full disk: ${place.noFullDisk}`);
  const faults = FAULTS.filter(
    ({ name, needsFullDisk }) =>
      name.includes(values.fault) && !(needsFullDisk === true && place.noFullDisk !== undefined),
  );
  if (faults.length === 0) throw new Error(`no fault is named so: ${values.fault}`);
  const usual = await measureUsual(place);
  say(`an undisturbed load takes ${usual.durationMs} ms and ${usual.bytes} bytes`);
  const numbers =
    values.trial === undefined
      ? Array.from({ length: Number(values.trials) }, (_, index) => index + 1)
      : [Number(values.trial)];
  for (const number of numbers) {
    const fault = faults[number % faults.length]!;
    const result = await runTrial(place, fault, number, seed, usual);
    results.push(result);
    const verdict = result.violations.length === 0 ? 'ok' : 'VIOLATION';
    say(
      `${number} ${result.command}, ${fault.name}, ${result.mode}, ${result.standing}: exit ${result.exits.join(' ')}, ${result.elapsedMs} ms: ${verdict}`,
    );
    for (const { kind, what } of result.violations) say(`    ${kind}: ${what.replaceAll('\n', '\n    ')}`);
  }
} finally {
  await place.close();
}
process.stdout.write(`seed ${seed}\n\n${renderTable(results)}`);
await mkdir(dirname(values.output), { recursive: true });
await writeFile(values.output, `${JSON.stringify({ seed, trials: results.length, results }, null, 2)}\n`);
process.exitCode = results.some(({ violations }) => violations.length > 0) ? 1 : 0;
