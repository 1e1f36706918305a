import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderPage } from '../../bench/report/page.js';
import type { BenchResult } from '../../bench/result.js';
import { resultOf, type Times } from './bench-result.js';

const published: Times = { samplesMs: [400, 410, 390, 400, 405, 395], kind: 'published' };
const online: Times = {
  samplesMs: [200, 210, 190, 195, 205, 200],
  kind: 'ours',
  more: { phases: [{ connect: 20, copy: 100, merge: 60, other: 20 }] },
};

const TIMES: Readonly<Record<string, Times>> = {
  published,
  online,
  rerun: { samplesMs: [40, 41, 42, 40, 39, 40], kind: 'ours' },
  'row-by-row': { samplesMs: [2000, 2100, 2050, 1990, 2000, 2020] },
  'floor-offline': { samplesMs: [150, 150, 160, 150, 150, 150], kind: 'floor' },
  'published-process': {
    samplesMs: [450, 460, 450, 455, 460, 450],
    kind: 'published',
    to: 'published-process',
  },
  'online-process': { samplesMs: [390, 380, 390, 400, 390, 380], kind: 'ours', to: 'published-process' },
  'load-settled': {
    samplesMs: [300, 310, 290, 300, 300, 300],
    kind: 'ours',
    to: 'load-settled',
    more: { phases: [{ connect: 20, work: 200, settle: 80 }] },
  },
  clean: { samplesMs: [60, 62, 58, 60, 60, 60], kind: 'ours', to: 'load-settled' },
};

function fullResult(): BenchResult {
  const result = resultOf(TIMES);
  delete result.sizes[0]!.paths.find(({ name }) => name === 'rerun')!.rowsPerSecond;
  result.sizes[0]!.skipped.push({ name: 'pgloader', reason: 'pgloader is not installed' });
  result.sizes.push({ ...result.sizes[0]!, size: '1m', rows: 1_000_000 });
  return result;
}

describe('the page', () => {
  it.each<[string, Record<string, Times>, RegExp | undefined]>([
    ['ours', { published, online }, /<b>online<\/b> is the quickest: it takes 0\.50 of the time/],
    [
      'the reference where the others are slower',
      { published, slow: { samplesMs: [900, 900, 900, 900, 900, 900] } },
      /<b>published<\/b> is the quickest\./,
    ],
    [
      'no floor',
      { published, online, floor: { samplesMs: [1, 1, 1, 1, 1, 1], kind: 'floor' } },
      /<b>online<\/b> is the quickest/,
    ],
    ['nobody where nothing was compared', { online }, undefined],
    [
      'no way back',
      { published, online, 'load-settled': TIMES['load-settled']!, clean: TIMES.clean! },
      /<b>online<\/b> is the quickest/,
    ],
    [
      'nobody among the ways back',
      { 'load-settled': TIMES['load-settled']!, clean: TIMES.clean! },
      undefined,
    ],
  ])('calls %s the quickest', (_, times, verdict) => {
    const page = renderPage(resultOf(times));
    if (verdict === undefined) expect(page).not.toContain('is the quickest');
    else expect(page).toMatch(verdict);
  });

  it.each([
    ['one round', { published: { samplesMs: [400] }, online: { samplesMs: [200] } }],
    ['no reference', { online }],
    ['no path at all', {}],
  ])('holds no NaN and no undefined after %s', (_, times: Record<string, Times>) => {
    const [markup] = renderPage(resultOf(times)).split('<script');
    expect(markup).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('says what each ratio is to', () => {
    const page = renderPage(fullResult()).replace(/\s+/g, ' ');
    expect(page).toMatch(
      /ratio to <b>load-settled<\/b>(?:(?!<\/table>).)*about clean.*?class="number">.*?0\.20</,
    );
    const [, sizes = ''] = page.split('All sizes');
    for (const [name, reference] of [
      ['online', 'published'],
      ['online-process', 'published-process'],
      ['clean', 'load-settled'],
    ])
      expect(sizes).toContain(`>${name}<small>of ${reference}</small>`);
    expect(sizes).toContain('>load-settled</th>');
  });

  it('shows no time of a phase that a path does not know', () => {
    const page = renderPage(fullResult()).replace(/<[^>]+>|\s+/g, ' ');
    expect(page).toMatch(/load-settled +connect 20 ms +copy – +merge – +other – +work 200 ms +settle 80 ms/);
  });

  it('escapes what it shows', () => {
    const result = resultOf({ published });
    result.sizes[0]!.skipped.push({ name: '<b>', reason: '</script><img src="x">' });
    const page = renderPage(result);
    expect(page).toContain('&lt;b&gt;: &lt;/script&gt;&lt;img src=&quot;x&quot;&gt;');
    expect(page).not.toContain('<img');
  });
});

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

describe.skipIf(executablePath === undefined)(
  'the page in a browser (skipped where there is no Chromium)',
  () => {
    let browser: Browser;

    beforeAll(async () => {
      const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking'];
      browser = await chromium.launch({ executablePath: executablePath!, args });
    });
    afterAll(() => browser.close());

    async function show(width: number, colorScheme: 'light' | 'dark'): Promise<Page> {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      await page.setContent(renderPage(fullResult()));
      expect(requests).toEqual([]);
      return page;
    }

    it.each([
      [400, 'light'],
      [400, 'dark'],
      [1280, 'light'],
      [1280, 'dark'],
    ] as const)('fits into %i px and reads in %s', async (width, colorScheme) => {
      const page = await show(width, colorScheme);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const row = page.locator('tr', { hasText: 'about row-by-row' }).first();
      const shown = (await row.innerText()).split(/\s*[\n\t]\s*/);
      expect(shown).toEqual(
        expect.arrayContaining(['row-by-row', '5.06', '4.94 to 5.26', '2,010 ms', '1,000']),
      );
      const sizes = await page
        .locator('th, td, small')
        .evaluateAll((cells) => cells.map((cell) => parseFloat(getComputedStyle(cell).fontSize)));
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(12);
      expect(await page.evaluate(() => getComputedStyle(document.body).color)).toBe(
        colorScheme === 'light' ? 'rgb(34, 34, 34)' : 'rgb(221, 221, 221)',
      );
    });

    it.each([400, 1280])('draws bars as long as the ratios beside them, at %i px', async (width) => {
      const page = await show(width, 'light');
      const rows = page.locator('table').first().locator('tbody tr');
      const drawn = await rows.evaluateAll((elements) =>
        elements.map((row) => ({
          ratio: Number(row.querySelector('td.number')!.lastChild!.textContent),
          length: row.querySelector('.track b')!.getBoundingClientRect().width,
        })),
      );
      expect(drawn).toHaveLength(5);
      const unit = drawn.find(({ ratio }) => ratio === 1)!.length;
      for (const { ratio, length } of drawn) expect(Math.abs(length / unit - ratio)).toBeLessThan(0.01);
    });

    it('shows no throughput of a path that sends no row', async () => {
      const page = await show(1280, 'light');
      const cells = page.locator('tr', { hasText: 'about rerun' }).first().locator('td.number');
      expect(await cells.last().innerText()).toBe('–');
    });
  },
);
