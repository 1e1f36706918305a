import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunEvent } from '../../src/index.js';
import { showProgress } from '../../src/show/progress.js';

const TERMINAL = { columns: 80, rows: 24, isTTY: true };
const SHOWN = { progress: true, notices: true, trace: false, keep: false };

/** A run that is shown on a stream with such properties; `frame` is what ten times a second, or five seconds in a log, add. */
async function shownOn(properties: object, options: Partial<typeof SHOWN> = {}) {
  const stream = new PassThrough({ encoding: 'utf8' });
  let written = '';
  stream.on('data', (text: string) => (written += text));
  const progress = await showProgress(Object.assign(stream, properties) as unknown as WriteStream, {
    ...SHOWN,
    ...options,
  });
  return {
    tell: (...events: RunEvent[]) => {
      events.forEach(progress.onEvent);
    },
    stop: progress.stop,
    written: () => written,
    frame: (ms = 100): string[] => {
      const before = written.length;
      vi.advanceTimersByTime(ms);
      return linesOf(written.slice(before));
    },
  };
}

const linesOf = (written: string): string[] =>
  stripVTControlCharacters(written)
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');

type Phase = Extract<RunEvent, { type: 'phase' }>['phase'];

const enter = (fixture: string, phase: Phase, totalRows = 400_000, schema?: string): RunEvent => ({
  ...(schema === undefined ? {} : { schema }),
  ...{ type: 'phase', fixture, table: 'agents', phase, totalRows },
});

const count = (fixture: string, phase: Phase, rows: number, totalRows = 400_000): RunEvent => ({
  ...{ type: 'progress', fixture, phase, rows, totalRows },
});

beforeEach(() => {
  vi.stubEnv('TERM', 'xterm-256color');
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe('a bar', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  it.each([
    [
      200,
      'scale_certs merge   25% [==========------------------------------] 101,000/400,000 rows 0:03 left',
    ],
    [80, 'scale_certs merge   25% [===-------] 101,000/400,000 rows 0:03 left'],
    [60, 'scale_certs merge   25% 101,000/400,000 rows 0:03 left'],
    [40, 'scale_certs merge   25% 0:03 left'],
    [30, 'scale_certs merge   25%'],
    [0, 'scale_certs merge   25% [===-------] 101,000/400,000 rows 0:03 left'],
  ])('says on %i columns what has room there', async (columns, line) => {
    const { tell, frame, stop } = await shownOn({ ...TERMINAL, columns });
    tell(enter('scale_certs', 'copy'));
    vi.advanceTimersByTime(1_000);
    tell(count('scale_certs', 'merge', 101_000));
    expect(frame()).toEqual([line]);
    stop();
  });

  it('is never so wide that it, or the ^C of a terminal after it, would wrap', async () => {
    const names = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/);
    const phases = fc.constantFrom<Phase[]>('copy', 'merge', 'index', 'verify', 'reset', 'clean');
    const steps = fc.tuple(names, phases, fc.nat(10_000_000), fc.nat(10_000_000));
    await fc.assert(
      fc.asyncProperty(
        fc.array(steps, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 250 }),
        async (told, columns) => {
          const { tell, frame, stop } = await shownOn({ ...TERMINAL, columns });
          for (const [name, phase, rows, total] of told) {
            tell(enter(name, phase, total), count(name, phase, rows, total));
            for (const line of frame()) expect(line.length).toBeLessThanOrEqual(Math.max(0, columns - 3));
          }
          stop();
        },
      ),
    );
  });

  it('does not go back and forth between the phases that take turns', async () => {
    const { tell, frame, stop } = await shownOn(TERMINAL);
    const events = [
      enter('x', 'copy', 10),
      count('x', 'copy', 5, 10),
      enter('x', 'merge', 10),
      count('x', 'merge', 5, 10),
      enter('x', 'copy', 10),
      count('x', 'copy', 10, 10),
      { type: 'done', fixture: 'x' } as const,
    ];
    const seen = events.map((event) => {
      tell(event);
      return /x (\w+) +(\d+%)/.exec(frame().join())?.slice(1).join(' ');
    });
    expect(seen).toEqual([
      'copy 0%',
      'copy 50%',
      'merge 50%',
      'merge 50%',
      'merge 50%',
      'merge 50%',
      'done 100%',
    ]);
    stop();
  });

  it('begins anew for a fixture that is tried again', async () => {
    const { tell, frame, stop } = await shownOn(TERMINAL);
    tell(
      enter('x', 'copy', 10),
      count('x', 'copy', 10, 10),
      enter('x', 'merge', 10),
      count('x', 'merge', 9, 10),
    );
    tell(enter('x', 'prepare', 10));
    expect(frame()).toEqual([expect.stringMatching(/^x prepare/)]);
    tell(enter('x', 'copy', 10), count('x', 'copy', 2, 10));
    expect(frame()).toEqual([expect.stringMatching(/^x copy +20%/)]);
    stop();
  });

  it.each<Phase>(['index', 'verify', 'reset', 'clean'])(
    'says how long, and not how much, while %s counts no rows',
    async (phase) => {
      const { tell, frame, stop } = await shownOn(TERMINAL);
      tell(enter('x', 'copy', 10), count('x', 'copy', 10, 10), enter('x', phase, 10));
      vi.advanceTimersByTime(65_000);
      expect(frame()).toEqual([`x ${phase.padEnd(6)} 1:05`]);
      stop();
    },
  );

  it('is the same for a fixture that is loaded and then verified', async () => {
    const { tell, frame, stop } = await shownOn(TERMINAL);
    for (const name of ['a', 'b']) tell(enter(name, 'copy'), { type: 'done', fixture: name });
    tell(enter('b', 'copy'));
    expect(frame()).toEqual([expect.stringMatching(/^a done +100%/), expect.stringMatching(/^b copy +0%/)]);
    stop();
  });

  it('is there for what follows the fixtures, until the next step', async () => {
    const { tell, frame, stop } = await shownOn(TERMINAL);
    tell({ type: 'settle', table: 'agents' }, { type: 'settle', table: 'managed_certificates' });
    expect(frame()).toEqual(['settle managed_certificates 0:00']);
    tell({ type: 'measure', round: 1 });
    vi.advanceTimersByTime(5_000);
    tell({ type: 'measure', round: 2 });
    expect(frame()).toEqual(['settle  managed_certificates 0:00', 'measure round 2 0:05']);
    stop();
  });
});

describe('bars', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  it('are plain text below the notices, and give the cursor back', async () => {
    const { tell, written, stop } = await shownOn(TERMINAL);
    tell(enter('01_a', 'copy'));
    vi.advanceTimersByTime(150);
    expect(written()).toMatch(/^\x1b\[\?25l/);
    tell(
      { type: 'notice', message: 'a notice' },
      { type: 'confirmation', fixture: '01_a', line: 'it stands' },
    );
    stop();
    expect(written()).toMatch(/a notice\n.*01_a.*it stands\n.*01_a/s);
    expect(written().lastIndexOf('\x1b[?25h')).toBeGreaterThan(written().lastIndexOf('\x1b[?25l'));
    expect(written()).not.toMatch(/\x1b\[[\d;]*m/);
    expect(process.listenerCount('exit', stop)).toBe(0);
    tell({ type: 'notice', message: 'afterwards' });
    expect(written()).toMatch(/afterwards\n$/);
  });

  it('are as many as fit the terminal', async () => {
    const { tell, frame, stop } = await shownOn({ ...TERMINAL, rows: 5 });
    for (const name of ['a', 'b', 'c', 'd']) tell(enter(`fixture_${name}`, 'copy'));
    const names = (): (string | undefined)[] => frame().map((line) => line.split(' ')[0]);
    expect(names()).toEqual(['fixture_a', 'fixture_b', 'fixture_c']);
    tell({ type: 'done', fixture: 'fixture_b' }, count('fixture_d', 'copy', 1));
    expect(names()).toEqual(['fixture_a', 'fixture_d', 'fixture_c']);
    stop();
  });

  it('of many schemas are those at work, whether the others were done or failed', async () => {
    const { tell, frame, stop } = await shownOn(TERMINAL);
    for (let i = 1; i <= 16; i += 1) {
      const schema = `fleet_${i}`;
      tell(enter('a', 'copy', 10, schema));
      if (i % 2 === 0) tell({ schema, type: 'done', fixture: 'a' }, enter('b', 'merge', 10, schema));
      const lines = frame();
      expect(lines).toContainEqual(
        expect.stringMatching(`^${schema}.${i % 2 === 0 ? 'b +merge' : 'a +copy'} `),
      );
      expect(lines.length).toBeLessThanOrEqual(2);
      tell({ schema, type: 'settle', table: 'agents' }, { type: 'end', schema });
    }
    stop();
  });

  it.each([
    ['stay', true, /01_a done +100%/],
    ['go', false, /^$/],
  ])('%s when the run is over, as was asked', async (_, keep, last) => {
    const { tell, frame, written, stop } = await shownOn(TERMINAL, { keep });
    tell(enter('01_a', 'copy'), { type: 'done', fixture: '01_a' });
    frame();
    const before = written().length;
    stop();
    expect(linesOf(written().slice(before)).join()).toMatch(last);
  });

  it.each([
    ['in a log', { isTTY: false }, 'xterm'],
    ['on a dumb terminal', TERMINAL, 'dumb'],
  ])('%s are lines every five seconds', async (_, properties, term) => {
    vi.stubEnv('TERM', term);
    const { tell, frame, written, stop } = await shownOn(properties, { keep: true });
    tell(enter('scale_certs', 'copy'), count('scale_certs', 'merge', 1_000));
    // What writes them is loaded by then, and was not before.
    vi.advanceTimersByTime(500);
    await vi.dynamicImportSettled();
    expect(frame(4_000)).toEqual([]);
    tell(count('scale_certs', 'merge', 101_000), { type: 'notice', message: 'a notice' });
    for (const name of ['a', 'b', 'c', 'd']) tell(enter(name, 'copy', 10));
    expect(frame(1_000)).toEqual([
      expect.stringMatching(/^scale_certs merge +25% .*101,000\/400,000 rows 0:12 left$/),
      ...['a', 'b', 'c'].map((name) => expect.stringMatching(`^${name} +copy +0%`) as string),
    ]);
    const before = written();
    stop();
    vi.advanceTimersByTime(60_000);
    expect(written()).toBe(before);
    expect(before).toMatch(/^scale-seed: a notice\n/);
    expect(before).not.toContain('\x1b');
  });

  it.each([
    ['--no-progress', { progress: false }, 'scale-seed: a notice\nit stands\n'],
    ['--quiet', { progress: false, notices: false }, 'it stands\n'],
  ])('are not there with %s', async (_, options, said) => {
    const { tell, written, stop } = await shownOn(TERMINAL, options);
    tell(enter('01_a', 'copy'), { type: 'notice', message: 'a notice' });
    tell({ type: 'confirmation', fixture: '01_a', line: 'it stands' });
    vi.advanceTimersByTime(60_000);
    stop();
    expect(written()).toBe(said);
  });
});
