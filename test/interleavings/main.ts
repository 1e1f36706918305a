import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { recordMoments, runMoments, sampleOf } from './run-moments.js';
import { preparePlace, type Place } from './place.js';
import type { MomentResult } from './run-moment.js';
import { renderKinds, renderTable } from './table.js';
import { VARIANTS } from './variants.js';

const { values } = parseArgs({
  options: {
    /** Only moments whose name holds this. */
    only: { type: 'string', default: '' },
    /** Only so many of them, chosen by the seed. */
    sample: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: '1' },
    /** How many at once, each on a server of its own. */
    jobs: { type: 'string', default: '2' },
    /** Where the server's bin, lib and share are, if another than npm's is to be tested. */
    'server-dir': { type: 'string' },
    output: { type: 'string', default: 'test/interleavings/results/interleavings.json' },
  },
});
if (values['server-dir'] !== undefined) process.env.SCALE_SEED_POSTGRES_DIR = values['server-dir'];
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const startMs = performance.now();
const places: Place[] = [];
const results: MomentResult[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void Promise.all(places.map((place) => place.close())).finally(() => process.exit(1));
  });
try {
  for (let number = 0; number < Number(values.jobs); number++) places.push(await preparePlace(number));
  const [place] = places as [Place];
  const named = VARIANTS.filter(({ name }) => values.only.startsWith(`${name} /`));
  const { undisturbed, moments } = await recordMoments(place, named.length > 0 ? named : VARIANTS, false);
  undisturbed.forEach(report);
  let chosen = moments.filter(({ name }) => name.includes(values.only));
  if (chosen.length === 0) {
    // One that its turn has passed over.
    const all = await recordMoments(place, named, true);
    chosen = all.moments.filter(({ name }) => name.includes(values.only));
  }
  if (chosen.length === 0) throw new Error(`no moment is named so: ${values.only}`);
  const sample = sampleOf(chosen, Number(values.sample), Number(values.seed));
  say(`PostgreSQL ${place.version}: ${sample.length} of ${moments.length} moments`);
  await runMoments(places, sample, report);
} finally {
  for (const place of places) await place.close();
}
const seconds = Math.round((performance.now() - startMs) / 1000);
process.stdout.write(`${renderTable(results)}\n${renderKinds(results)}\n${seconds} s\n`);
await mkdir(dirname(values.output), { recursive: true });
await writeFile(
  values.output,
  `${JSON.stringify({ version: places[0]!.version, seed: values.seed, seconds, results }, null, 2)}\n`,
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
