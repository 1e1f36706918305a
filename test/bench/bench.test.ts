import { existsSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../bench/result.js';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const browser = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
let output: string;

const bench = (...args: string[]) =>
  run([
    'bench',
    '--database-url',
    // Its scratch schema is named by a parameter that a pooler does not pass on.
    database.directUrl,
    '--paths',
    'published,online,rerun,floor-offline',
    '--output',
    output,
    ...args,
  ]);

beforeAll(async () => {
  output = await mkdtemp(join(tmpdir(), 'scale-seed-bench-test-'));
});

describe('bench in a scratch schema of a database', () => {
  it('measures, writes its reports, and leaves nothing behind', async () => {
    const { code, stdout } = await bench('--runs', '2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^10k\+5k: 15,000 rows\n\npath +median/);
    const result = JSON.parse(await readFile(join(output, 'bench.json'), 'utf8')) as BenchResult;
    const { paths, rows } = result.sizes[0]!;
    expect(rows).toBe(15_000);
    for (const path of paths) expect(path.samplesMs).toHaveLength(2);
    expect(paths.find(({ name }) => name === 'published')?.ratio?.median).toBe(1);
    expect(await readFile(join(output, 'bench.md'), 'utf8')).toContain('| online |');
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

  it.each([
    [['--size', '7'], /there is no size 7\n.*10k\+5k, 50k\+10k, 100k, 1m/],
    [['--paths', 'magic'], /there is no load path magic/],
    [['--compare', '/nowhere.json'], /\/nowhere.json cannot be compared with/],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await bench('--runs', '1', ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe.skipIf(browser === undefined)('the page (skipped where there is no Chromium)', () => {
  it.each(['light', 'dark'] as const)(
    'shows its charts in %s, and loads nothing from elsewhere',
    async (colorScheme) => {
      const launched = await chromium.launch({
        executablePath: browser!,
        args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
      });
      try {
        const page = await launched.newPage({ colorScheme, viewport: { width: 1000, height: 1400 } });
        const requests: string[] = [];
        const problems: string[] = [];
        page.on('request', (request) => requests.push(request.url()));
        page.on('pageerror', (error) => problems.push(error.message));
        const url = pathToFileURL(join(output, 'bench.html')).href;
        await page.goto(url);
        expect(requests).toEqual([url]);
        expect(problems).toEqual([]);
        expect(await page.locator('figure svg').count()).toBe(2);
        expect(await page.locator('.verdict').innerText()).toMatch(/is the quickest/);
        const text = page.locator('figure svg text', { hasText: 'online' }).first();
        expect(await text.isVisible()).toBe(true);
        const color = await text.evaluate((node) => getComputedStyle(node).fill);
        expect(color).toBe(colorScheme === 'light' ? 'rgb(34, 34, 34)' : 'rgb(221, 221, 221)');
        await page.screenshot({ path: join(output, `bench-${colorScheme}.png`), fullPage: true });
      } finally {
        await launched.close();
      }
    },
  );
});
