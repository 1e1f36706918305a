import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../bench/result.js';
import type { Outcome } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
/** Rows enough to see that a path does its work. */
const SMALL = ['--size', '1k+500'];
const hasPsql = spawnSync('psql', ['--version']).status === 0;
let output: string;
/** A role that may make schemas and no databases. */
let limitedUrl: string;

/** Runs the benchmarks here without a build first, since other tests use what is built. */
function bench(...args: string[]): Promise<Outcome> {
  const command = ['bundle-and-run.mjs', 'bench/main.ts', '--output', output, ...args];
  return new Promise((done) => {
    execFile(process.execPath, command, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

beforeAll(async () => {
  output = await mkdtemp(join(tmpdir(), 'scale-seed-bench-test-'));
  const role = await database.role();
  const name = (await database.value('select current_database()')) as string;
  await database.query(`grant create on database ${name} to ${role}`);
  // Not through a pooler: it does not pass on the parameter that names the scratch schema.
  const url = new URL(database.directUrl);
  [url.username, url.password] = [role, 'pw'];
  limitedUrl = url.href;
});

afterAll(async () => {
  await rm(output, { recursive: true, force: true });
  await database.query(`drop owned by ${new URL(limitedUrl).username}`);
});

/** What the last run has written. */
async function resultOf(): Promise<BenchResult> {
  return JSON.parse(await readFile(join(output, 'bench.json'), 'utf8')) as BenchResult;
}

describe.skipIf(!hasPsql)('bench in fresh databases (skipped where there is no psql)', () => {
  it('compares whole processes, ours by each Node that is named, and leaves nothing behind', async () => {
    const args = ['--database-url', database.directUrl, '--node', process.execPath, '--runs', '1'];
    const { code, stderr } = await bench(...SMALL, ...args);
    expect(stderr).toMatch(/^each run gets a fresh database\n/);
    expect(code).toBe(0);
    const { sandbox, sizes } = await resultOf();
    expect(sandbox).toBe('a fresh database');
    const { paths, skipped } = sizes[0]!;
    const ours = ['online-process', 'exclusive-process', 'rerun-process'];
    const names = [...paths, ...skipped].map(({ name }) => name);
    expect(names.sort()).toEqual(
      [
        'published-process',
        ...ours,
        ...ours.map((name) => `${name}, Node ${process.versions.node}`),
        'parallel-copy',
        'psql-copy',
        'timescaledb-parallel-copy',
        'replica-copy',
        'floor-offline',
      ].sort(),
    );
    for (const { name, ratio } of paths) expect(ratio?.to, name).toBe('published-process');
    for (const { name, reason } of skipped) expect(reason).toBe(`${name} is not installed`);
    expect(await readFile(join(output, 'bench.html'), 'utf8')).toMatch(/<\/b> is the quickest/);
    expect(
      await database.query(`select datname from pg_database where datname like 'scale_seed_bench%'`),
    ).toEqual([]);
  });
});

describe.skipIf(!hasPsql)('bench in a scratch schema, where the role may make no database', () => {
  it('measures, writes its reports, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await bench(
      ...[...SMALL, '--database-url', limitedUrl, '--runs', '2'],
      ...['--paths', 'published,online,rerun,published-process,online-process,replica-copy,floor-offline'],
    );
    expect(stderr).toMatch(/^each run gets a scratch schema of one database, whose caches all runs share\n/);
    expect(code).toBe(0);
    expect(stdout).toContain('skipped replica-copy: the role may not set session_replication_role\n');
    expect(stdout).toMatch(/^1k\+500: 1,500 rows\n\npath +median/);
    const { paths, rows } = (await resultOf()).sizes[0]!;
    expect(rows).toBe(1_500);
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
    const old = await resultOf();
    for (const path of old.sizes[0]!.paths) {
      const share = path.name === 'published' ? 1 : 0.01;
      path.samplesMs = Array.from({ length: 8 }, (_, i) => (500 + i) * share);
    }
    const file = join(output, 'old.json');
    await writeFile(file, JSON.stringify(old));
    const { code, stdout } = await bench(
      ...[...SMALL, '--database-url', limitedUrl],
      ...['--paths', 'published,online', '--runs', '4', '--compare', file],
    );
    expect(stdout).toMatch(/online +\d+\.\d+ +0\.0\d+ +slower: a regression/);
    expect(code).toBe(3);
  });

  it('measures the fleet that is loaded by default where no size is given', async () => {
    const args = ['--database-url', limitedUrl, '--paths', 'online-process', '--runs', '1'];
    expect(await bench(...args)).toMatchObject({ code: 0 });
    const [measured] = (await resultOf()).sizes;
    expect(measured).toMatchObject({ size: '10k+5k', rows: 15_000, paths: [{ name: 'online-process' }] });
  });

  it('compares the ways back with a first load', async () => {
    const { code, stdout, stderr } = await bench(
      ...[...SMALL, '--database-url', database.directUrl, '--paths', 'ways-back', '--runs', '1'],
    );
    expect(stderr).toContain('written: ');
    expect(code).toBe(0);
    const { paths } = (await resultOf()).sizes[0]!;
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
    [['--runs', '0'], /write a whole number from 1 to 100000/],
    [['--compare', '/nowhere.json'], /\/nowhere.json cannot be compared with/],
    [['--node', '/nowhere/node'], /--node \/nowhere\/node cannot be run/],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await bench('--database-url', limitedUrl, '--runs', '1', ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
