import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { CLI } from '../support/command-line.js';

/** What the build says of each file of the command line. */
type Outputs = Record<string, { inputs: Record<string, unknown> }>;

/** Reached by nobody: a load has got everything by the time that it finds that out. */
const NO_SERVER = 'postgresql://127.0.0.1:1/nowhere';

let folder: string;
let outputs: Outputs;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-modules-'));
  const preload = `process.on('exit', () => require('fs').writeFileSync(process.env.BUILTINS, JSON.stringify(process.moduleLoadList)))`;
  await writeFile(join(folder, 'preload.cjs'), preload);
  outputs = JSON.parse(await readFile('node_modules/.cache/scale-seed/cli.json', 'utf8')) as Outputs;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The packages, folders of `src` and modules of Node's own that a command loads. */
async function loadedBy(args: readonly string[]): Promise<{ loaded: string[]; files: number }> {
  const coverage = await mkdtemp(join(folder, 'coverage-'));
  const builtins = join(coverage, 'builtins.txt');
  const env = { PATH: process.env.PATH, HOME: folder, NODE_V8_COVERAGE: coverage, BUILTINS: builtins };
  await new Promise<void>((done) => {
    execFile(process.execPath, ['--require', join(folder, 'preload.cjs'), CLI, ...args], { env }, () => {
      done();
    });
  });
  const native = JSON.parse(await readFile(builtins, 'utf8')) as string[];
  const modules = native.flatMap((name) => /^NativeModule (?!internal\/)(.*)/.exec(name)?.[1] ?? []);
  const files = await filesIn(coverage);
  const inputs = files.flatMap((file) => Object.keys(outputs[`dist/${basename(file)}`]?.inputs ?? {}));
  const ours = inputs
    // What the embedded server may be told is checked with all other options.
    .filter((path) => path !== 'src/embedded/options.ts')
    .map((path) => /(?:node_modules|src)\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path);
  return { loaded: [...new Set([...ours, ...modules.map((name) => `node:${name}`)])], files: files.length };
}

/** What V8 ran, as its coverage tells; Node's own modules are not among it. */
async function filesIn(coverage: string): Promise<string[]> {
  const [report] = (await readdir(coverage)).filter((name) => name.startsWith('coverage-'));
  const { result } = JSON.parse(await readFile(join(coverage, report ?? ''), 'utf8')) as {
    result: { url: string }[];
  };
  return result.map(({ url }) => url).filter((url) => url.includes('/dist/'));
}

const DRIVER = ['pg', 'pg-copy-streams', 'postgres', 'operations', 'merge', 'node:dns'];
const ROWS = ['csv-stringify', 'encode', 'node:crypto'];
const FILES = ['node:fs/promises'];
const BARS = ['cli-progress', 'node:readline'];
const RARE = [
  ...['embedded', 'node:assert', 'node:child_process', 'node:perf_hooks', 'node:tls', 'node:worker_threads'],
];

describe('the modules that a command loads', () => {
  it.each([
    ['--version', ['commander'], [...DRIVER, ...ROWS, ...FILES, ...BARS, ...RARE]],
    ['--help', ['commander'], [...DRIVER, ...ROWS, ...FILES, ...BARS, ...RARE]],
    ['load --help', ['commander'], [...DRIVER, ...ROWS, ...FILES, ...BARS, ...RARE]],
    ['list', ['fixtures', 'encode'], [...DRIVER, ...FILES, ...BARS, ...RARE]],
    ['generate 02_agent_fleet', ['csv-stringify'], [...DRIVER, ...FILES, ...BARS, ...RARE]],
    [
      `load --database-url ${NO_SERVER}`,
      ['pg', 'csv-stringify'],
      ['node:crypto', ...FILES, ...BARS, ...RARE],
    ],
    // A log gets lines of a run that takes long.
    [`load --database-url ${NO_SERVER} --wait 1s`, BARS, RARE],
    ['db url', ['embedded'], ['cli-progress', 'operations']],
  ])('%s', async (command, needed, others) => {
    const { loaded, files } = await loadedBy(command.split(' '));
    expect(loaded).toEqual(expect.arrayContaining(needed));
    expect(loaded.filter((name) => others.includes(name))).toEqual([]);
    // Each file costs more to open than to read.
    expect(files).toBeLessThanOrEqual(13);
  });
});
