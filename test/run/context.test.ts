import { describe, expect, it } from 'vitest';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents } from '../../src/fixtures/sized.js';
import type { OnEvent, RunEvent } from '../../src/report/events.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const options = (more: LoadOptions = {}): LoadOptions => ({
  databaseUrl: database.url,
  fixtures: [sizedAgents(10)],
  settle: false,
  ...more,
});

describe('a run', () => {
  it('ends with what the caller’s listener throws, as it is', async () => {
    const thrown = new Error('enough');
    const onEvent: LoadOptions['onEvent'] = ({ type }) => {
      if (type === 'phase') throw thrown;
    };
    await expect(load(options({ onEvent }))).rejects.toBe(thrown);
    expect(await database.value('select count(*) from agents')).toBe('0');
  });

  it.each<[what: string, fail: (error: Error) => unknown]>([
    [
      'throws',
      (error) => {
        throw error;
      },
    ],
    ['rejects with', (error) => Promise.reject(error)],
    // What others take for a promise.
    [
      'gives a thenable of',
      (error) => ({
        then: (_: unknown, refuse: (reason: Error) => void) => {
          refuse(error);
        },
      }),
    ],
  ])('ends with what the listener %s at any of its events, the last among them', async (_, fail) => {
    await load(options());
    const seen = new Set<string>();
    await load(options({ onEvent: ({ type }) => void seen.add(type) }));
    const nameOf = (event: RunEvent): string => event.type + ('stage' in event ? event.stage : '');
    const stages = ['connect', 'prepare', 'work', 'settle', 'end'].map((stage) => `stage${stage}`);
    for (const name of [...[...seen].filter((type) => type !== 'stage' && type !== 'progress'), ...stages]) {
      const thrown = new Error(name);
      const onEvent = ((event: RunEvent) => (nameOf(event) === name ? fail(thrown) : undefined)) as OnEvent;
      await expect(load(options({ onEvent })), name).rejects.toBe(thrown);
    }
  });

  it('whose signal was aborted before does nothing', async () => {
    await database.query('truncate agents cascade');
    const signal = AbortSignal.abort();
    await expect(load(options({ signal }))).rejects.toMatchObject({ code: 'interrupted' });
    expect(await database.value('select count(*) from agents')).toBe('0');
  });

  it('keeps no timer of its time limit', async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const before = timers();
    for (let n = 0; n < 10; n++) await load(options({ timeoutMs: 3_600_000 }));
    // Others come and go meanwhile.
    expect(timers()).toBeLessThan(before + 5);
  });

  it('that fails after its commit says that all stands', async () => {
    const more = sizedAgents(20);
    const failing: Fixture = {
      ...more,
      rows: (first, last) => {
        // The rows that stand are wanted for the fingerprint alone.
        if (first === 1) throw new Error('no first row');
        return more.rows(first, last);
      },
    };
    await load(options());
    await expect(load(options({ fixtures: [failing] }))).rejects.toMatchObject({
      message: expect.stringContaining('no first row') as string,
      state: 'scale_agents: done and committed',
    });
    expect(await database.value('select count(*) from agents')).toBe('20');
  });
});
