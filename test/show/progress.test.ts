import { spawn, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { load, sizedCertificates, type RunEvent } from '../../src/index.js';
import { CLI } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

describe('the rows that a load counts', () => {
  const eventsOf = async (count: number, jobs: number): Promise<RunEvent[]> => {
    const events: RunEvent[] = [];
    await load({
      databaseUrl: database.url,
      fixtures: [sizedCertificates(count)],
      jobs,
      settle: false,
      onEvent: (event) => events.push(event),
    });
    return events;
  };

  it('as merged are told while that is the phase', async () => {
    const events = await eventsOf(6_000, 1);
    const phases = events.map((event, at) => {
      const last = events.slice(0, at).findLast(({ type }) => type === 'phase');
      return event.type === 'progress' && event.phase === 'merge' && last?.type === 'phase' ? last.phase : [];
    });
    expect(phases.flat()).toEqual(['merge', 'merge', 'merge']);
  });

  it.each([
    ['in one part', 12_000, 1],
    ['that stand', 12_000, 1],
    ['beside those that stand, in parts', 40_000, 4],
  ])('%s only grow, up to all of them', async (_, count, jobs) => {
    const rows = (await eventsOf(count, jobs)).flatMap((event) =>
      event.type === 'progress' && event.phase === 'merge' && event.totalRows === count ? [event.rows] : [],
    );
    expect(rows).toEqual([...rows].sort((a, b) => a - b));
    expect(rows.at(-1)).toBe(count);
  });
});

describe.skipIf(spawnSync('script', ['--version']).status !== 0)('on a real terminal', () => {
  /** Runs the built command line on a terminal; `type` writes to its keyboard. */
  function onTerminal(args: string): { type: (text: string) => void; screen: Promise<string> } {
    const child = spawn('script', ['-qefc', `stty cols 80; "$NODE" "$CLI" ${args}`, '/dev/null'], {
      env: { ...process.env, NODE: process.execPath, CLI, DATABASE_URL: database.url, TERM: 'xterm' },
    });
    let screen = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
    return {
      type: (text) => child.stdin.write(text),
      screen: new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', () => {
          resolve(screen);
        });
      }),
    };
  }

  it.each([
    [
      'the end',
      'load --agents 20000',
      undefined,
      /fixture +table +rows +inserted +skipped +time +rows\/s\r\n/,
    ],
    ['an error', 'load --agents 20001 --schema nowhere', undefined, /there is no schema/],
    ['Ctrl-C', 'load --certs 900000', '\x03', /interrupted/],
  ])('the cursor is back after %s', async (_, args, key, said) => {
    const { type, screen } = onTerminal(args);
    if (key !== undefined) {
      await database.untilSession(`query like '%insert into %'`);
      type(key);
    }
    const output = await screen;
    expect(output).toMatch(said);
    expect(output.lastIndexOf('\x1b[?25h')).toBeGreaterThanOrEqual(output.lastIndexOf('\x1b[?25l'));
  });
});
