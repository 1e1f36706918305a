import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { parseCount } from '../../bench/parse-count.js';
import { parseJobs } from '../../src/commands/parse.js';
import { recordMoments, runMoments, sampleOf } from './run-moments.js';
import { preparePlace, type Place } from './place.js';
import type { MomentResult } from './run-moment.js';
import { renderKinds, renderTable } from './table.js';
import { VARIANTS } from './variants.js';

interface Flags {
  only: string;
  sample?: number;
  seed: number;
  jobs: number;
  serverDir?: string;
  output: string;
}

const {
  only,
  sample: most,
  seed,
  jobs,
  serverDir,
  output,
} = new Command('npm run interleavings --')
  .description(
    'Lets another session act between any two statements of a command, and judges what it then says.',
  )
  .option('--only <text>', 'only moments whose name holds this', '')
  .option('--sample <n>', 'only so many of them', parseCount)
  .option('--seed <n>', 'what chooses those', parseCount, 1)
  .option('--jobs <n>', 'how many at once, each on a server of its own', parseJobs, 2)
  .option('--server-dir <dir>', "where a server's bin, lib and share are (default: npm's)")
  .option('--output <file>', 'the results', 'test/interleavings/results/interleavings.json')
  .parse()
  .opts<Flags>();
if (serverDir !== undefined) process.env.SCALE_SEED_POSTGRES_DIR = serverDir;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const startMs = performance.now();
const places: Place[] = [];
const results: MomentResult[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void Promise.all(places.map((place) => place.close())).finally(() => process.exit(1));
  });
try {
  for (let number = 0; number < jobs; number++) places.push(await preparePlace(number));
  const [place] = places as [Place];
  const named = VARIANTS.filter(({ name }) => only.startsWith(`${name} /`));
  const { undisturbed, moments } = await recordMoments(place, named.length > 0 ? named : VARIANTS, false);
  undisturbed.forEach(report);
  let chosen = moments.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) {
    // One that its turn has passed over.
    const all = await recordMoments(place, named, true);
    chosen = all.moments.filter(({ name }) => name.includes(only));
  }
  if (chosen.length === 0) throw new Error(`no moment is named so: ${only}`);
  const sample = sampleOf(chosen, most ?? Infinity, seed);
  say(`PostgreSQL ${place.version}: ${sample.length} of ${moments.length} moments`);
  await runMoments(places, sample, report);
} finally {
  for (const place of places) await place.close();
}
const seconds = Math.round((performance.now() - startMs) / 1000);
process.stdout.write(`${renderTable(results)}\n${renderKinds(results)}\n${seconds} s\n`);
await mkdir(dirname(output), { recursive: true });
await writeFile(
  output,
  `${JSON.stringify({ version: places[0]!.version, seed, seconds, results }, null, 2)}\n`,
);
process.exitCode = results.some(({ violations }) => violations.length > 0) ? 1 : 0;

function report(result: MomentResult): void {
  const { name, outcome, reached, otherFailed, elapsedMs, violations } = result;
  results.push(result);
  const verdict = violations.length > 0 ? 'VIOLATION' : reached ? 'ok' : 'not reached';
  const failed = otherFailed === undefined ? '' : `, the other session: ${otherFailed}`;
  say(`${results.length} ${name}: ${outcome}${failed}, ${elapsedMs} ms: ${verdict}`);
  for (const { kind, what } of violations) say(`    ${kind}: ${what.replaceAll('\n', '\n    ')}`);
}
