import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SETS } from '../src/index.js';

/** How long the generators sleep for every row, in milliseconds; none where it is not set. */
export const MS_PER_ROW = 'BENCH_MS_PER_ROW';

/** Writes the default fleet as fixtures of a user's own, whose generators sleep as the environment says; returns the files. */
export async function writeSlowFixtures(folder: string): Promise<string[]> {
  const library = pathToFileURL(resolve('dist/index.js')).href;
  const files: string[] = [];
  for (const [index, { name }] of SETS.fleet.entries()) {
    const file = join(folder, `${name}.mjs`);
    await writeFile(
      file,
      `import { defineFixture, SETS } from '${library}';
const fixture = SETS.fleet[${index}];
const nobody = new Int32Array(new SharedArrayBuffer(4));
export default defineFixture({
  ...fixture,
  name: 'slow_${name}',
  frozenFingerprint: undefined,
  formulas: undefined,
  *rows(first, last) {
    let owedMs = 0;
    for (const row of fixture.rows(first, last)) {
      owedMs += Number(process.env.${MS_PER_ROW} ?? 0);
      if (owedMs >= 5) owedMs -= sleep(5);
      yield row;
    }
  },
});
function sleep(ms) {
  const startMs = performance.now();
  Atomics.wait(nobody, 0, 0, ms);
  return performance.now() - startMs;
}
`,
    );
    files.push(file);
  }
  return files;
}
