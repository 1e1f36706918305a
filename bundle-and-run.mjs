// Bundles one of this repository's own TypeScript programs and runs it: node bundle-and-run.mjs FILE [ARGUMENT...]
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

const source = process.argv[2];
const outfile = resolve('node_modules/.cache/scale-seed', source.replace(/\.ts$/, '.mjs'));

buildSync({
  entryPoints: [source],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  loader: { '.sql': 'text' },
  logLevel: 'warning',
});
process.argv.splice(1, 2, outfile);
await import(pathToFileURL(outfile).href);
