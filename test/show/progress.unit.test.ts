import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { followRun, type StepEvent, type Task } from '../../src/show/follow-run.js';
import { progressLine } from '../../src/show/progress-line.js';
import { logLine } from '../../src/show/progress-log.js';
import { showProgress } from '../../src/show/progress.js';

const TERMINAL = { columns: 80, rows: 24, isTTY: true };

/** A stream that keeps what is written to it. */
function fakeStream(properties: object): { stream: WriteStream; written: () => string } {
  const stream = new PassThrough({ encoding: 'utf8' });
  let written = '';
  stream.on('data', (text: string) => (written += text));
  return { stream: Object.assign(stream, properties) as unknown as WriteStream, written: () => written };
}

const begin = (fixture: string, totalRows: number): StepEvent => ({
  type: 'phase',
  fixture,
  table: 'agents',
  phase: 'copy',
  totalRows,
});

const counted = (fixture: string, phase: 'copy' | 'merge', rows: number, totalRows: number): StepEvent => ({
  type: 'progress',
  fixture,
  phase,
  rows,
  totalRows,
});

describe('a line of progress', () => {
  const phases = fc.constantFrom<Task['phase'][]>('copy', 'merge', 'index', 'settle', 'verify', 'done');
  const tasks = fc.record({
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/),
    phase: phases,
    totalRows: fc.nat(10_000_000),
    startMs: fc.constant(0),
    enteredMs: fc.nat(100_000_000),
    counts: fc
      .tuple(phases, fc.nat(1_000_000), fc.nat(10_000_000), fc.nat(100_000_000))
      .map(
        ([phase, first, more, ms]) =>
          new Map([
            [phase, { first: { rows: first, ms: 0 }, last: { rows: first + more, ms } }],
          ]) as Task['counts'],
      ),
  });

  it('is never as wide as the terminal', () => {
    fc.assert(
      fc.property(tasks, fc.integer({ min: 1, max: 250 }), fc.nat(40), (task, columns, nameWidth) => {
        const line = progressLine(task, { columns, nameWidth, nowMs: 1e8 });
        expect(line.length).toBeLessThan(Math.max(columns, 1));
        expect(line).toMatch(/^[ -~…]*$/);
      }),
    );
  });

  it('says phase, share, rows a second and the time left', () => {
    let ms = 0;
    const run = followRun(() => ms);
    run.step(begin('scale_certs', 400_000));
    run.step(counted('scale_certs', 'merge', 1_000, 400_000));
    ms = 1_000;
    const task = run.step(counted('scale_certs', 'merge', 101_000, 400_000));
    const options = { nameWidth: 11, nowMs: 1_000 };
    expect(progressLine(task, { ...options, columns: 80 })).toBe(
      'scale_certs  merge    [====---------------]   25%  100,000 rows/s   0:03 left',
    );
    expect(progressLine(task, { ...options, columns: 200 })).toContain(' 101,000/400,000 rows ');
    expect(progressLine(task, { ...options, columns: 30 })).toBe('scale_certs   25%');
    expect(progressLine(task, { ...options, columns: 80, nowMs: 2_990 })).toContain('0:01 left');
    expect(progressLine(task, { ...options, columns: 80, nowMs: 60_000 })).not.toContain('left');
  });

  it('says which round of a measurement it is, and no longer what was settled before', () => {
    let ms = 0;
    const run = followRun(() => ms);
    run.step({ type: 'settle', table: 'agents' });
    run.step({ type: 'measure', round: 1 });
    ms = 5_000;
    run.step({ type: 'measure', round: 2 });
    expect(logLine(run.tasks(), ms)).toBe('round 2: measure, for 0:05');
  });

  it('does not go back and forth between the phases that take turns', () => {
    const run = followRun(() => 0);
    const seen = [
      begin('x', 10),
      counted('x', 'copy', 5, 10),
      counted('x', 'merge', 5, 10),
      begin('x', 10),
      counted('x', 'copy', 10, 10),
      { type: 'done', fixture: 'x' } as const,
    ].map((event) => run.step(event).phase);
    expect(seen).toEqual(['copy', 'copy', 'merge', 'merge', 'merge', 'done']);
  });
});

describe('bars', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubEnv('TERM', 'xterm-256color');
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  const shown = { progress: true, notices: true, keep: false };

  it('are plain text of the terminal’s width, and give the cursor back', async () => {
    const { stream, written } = fakeStream(TERMINAL);
    const { onEvent, stop } = await showProgress(stream, shown);
    onEvent(begin('01_a', 10));
    vi.advanceTimersByTime(150);
    expect(written()).toMatch(/^\x1b\[\?25l/);
    onEvent({ type: 'notice', message: 'a notice' });
    vi.advanceTimersByTime(150);
    stop();
    expect(written()).toContain('a notice\n');
    expect(written().lastIndexOf('\x1b[?25h')).toBeGreaterThan(written().lastIndexOf('\x1b[?25l'));
    expect(written()).not.toMatch(/\x1b\[[\d;]*m/);
    expect(process.listenerCount('exit', stop)).toBe(0);
  });

  it('are as many as fit the terminal', async () => {
    const { stream, written } = fakeStream({ ...TERMINAL, rows: 5 });
    const { onEvent, stop } = await showProgress(stream, { ...shown, keep: true });
    for (const name of ['a', 'b', 'c', 'd']) onEvent(begin(`fixture_${name}`, 10));
    vi.advanceTimersByTime(150);
    const before = written();
    expect(before).not.toContain('fixture_d');
    onEvent({ type: 'done', fixture: 'fixture_b' });
    onEvent(counted('fixture_d', 'copy', 1, 10));
    stop();
    const last = stripVTControlCharacters(written().slice(before.length));
    expect(last.match(/fixture_\w/g)).toEqual(['fixture_a', 'fixture_d', 'fixture_c']);
  });

  it.each([
    ['in a log', { isTTY: false }, 'xterm'],
    ['on a dumb terminal', TERMINAL, 'dumb'],
  ])('%s are a line every five seconds', async (_, properties, term) => {
    vi.stubEnv('TERM', term);
    const { stream, written } = fakeStream(properties);
    const { onEvent, stop } = await showProgress(stream, shown);
    onEvent(begin('scale_certs', 400_000));
    onEvent(counted('scale_certs', 'merge', 1_000, 400_000));
    vi.advanceTimersByTime(4_000);
    onEvent(counted('scale_certs', 'merge', 101_000, 400_000));
    for (const name of ['a', 'b', 'c', 'd']) onEvent(begin(name, 10));
    vi.advanceTimersByTime(5_000);
    stop();
    vi.advanceTimersByTime(60_000);
    expect(written()).toBe(
      'scale_certs: merge 25%, 101,000 of 400,000 rows, 25,000 rows/s, 0:11 left; ' +
        'a: copy, for 0:01; b: copy, for 0:01; c: copy, for 0:01; 1 more\n',
    );
  });
});
