import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../bench/result.js';
import type { Outcome } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
let output: string;

/** Runs the benchmarks here without a build first, since other tests use what is built. */
function bench(...args: string[]): Promise<Outcome> {
  const command = ['bundle-and-run.mjs', 'bench/main.ts', '--paths', 'published,online,rerun,floor-offline'];
  // Not through a pooler: it does not pass on the parameter that names the scratch schema.
  command.push('--database-url', database.directUrl, '--output', output, ...args);
  return new Promise((done) => {
    execFile(process.execPath, command, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

beforeAll(async () => {
  output = await mkdtemp(join(tmpdir(), 'scale-seed-bench-test-'));
});

describe('bench in a scratch schema of a database', () => {
  it('measures, writes its reports, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await bench('--runs', '2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^10k\+5k: 15,000 rows\n\npath +median/);
    const result = JSON.parse(await readFile(join(output, 'bench.json'), 'utf8')) as BenchResult;
    const { paths, rows } = result.sizes[0]!;
    expect(rows).toBe(15_000);
    for (const path of paths) expect(path.samplesMs).toHaveLength(2);
    expect(paths.filter(({ rowsPerSecond }) => rowsPerSecond === undefined).map(({ name }) => name)).toEqual([
      'rerun',
    ]);
    expect(paths.find(({ name }) => name === 'published')?.ratio?.median).toBe(1);
    expect(await readFile(join(output, 'bench.md'), 'utf8')).toContain('| online |');
    const files = ['bench.json', 'bench.md', 'bench.html'].map((name) => join(output, name));
    expect(stderr).toContain(`written: ${files.join(', ')}\n`);
    expect(await readFile(files[2]!, 'utf8')).toContain('online</th>');
    expect(await database.query(`select nspname from pg_namespace where nspname like 'scale_seed%'`)).toEqual(
      [],
    );
    expect(await database.value('select count(*) from managed_certificates')).toBe('0');
  });

  it('calls a regression one, and exits 3', async () => {
    const old = JSON.parse(await readFile(join(output, 'bench.json'), 'utf8')) as BenchResult;
    for (const path of old.sizes[0]!.paths) {
      const share = path.name === 'published' ? 1 : 0.01;
      path.samplesMs = Array.from({ length: 8 }, (_, i) => (500 + i) * share);
    }
    const file = join(output, 'old.json');
    await writeFile(file, JSON.stringify(old));
    const { code, stdout } = await bench('--runs', '4', '--compare', file);
    expect(stdout).toMatch(/online +\d+\.\d+ +0\.0\d+ +slower: a regression/);
    expect(code).toBe(3);
  });

  it('compares the ways back with a first load', async () => {
    const { code, stdout, stderr } = await bench('--paths', 'ways-back', '--runs', '1');
    expect(stderr).toContain('written: ');
    expect(code).toBe(0);
    const result = JSON.parse(await readFile(join(output, 'bench.json'), 'utf8')) as BenchResult;
    const { paths } = result.sizes[0]!;
    expect(paths.map(({ name }) => name)).toEqual([
      'load-settled',
      'verify',
      'reset',
      'reset-changed',
      'reset-exclusive',
      'clean',
    ]);
    for (const { name, ratio } of paths) expect(ratio?.to, name).toBe('load-settled');
    expect(paths.filter(({ rowsPerSecond }) => rowsPerSecond === undefined).map(({ name }) => name)).toEqual([
      'clean',
    ]);
    expect(stdout).toMatch(/^clean .* load-settled +-$/m);
  });

  it.each([
    [['--size', '7'], /there is no size 7\n.*10k\+5k, 50k\+10k, 100k, 1m, 1m\+50k/],
    [['--paths', 'magic'], /there is no load path magic\n.*ways-back/],
    [['--runs', '0'], /write a whole number from 1 to 999/],
    [['--compare', '/nowhere.json'], /\/nowhere.json cannot be compared with/],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await bench('--runs', '1', ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
