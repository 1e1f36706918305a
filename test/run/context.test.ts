import { describe, expect, it } from 'vitest';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents } from '../../src/fixtures/sized.js';
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

  it('whose signal was aborted before does nothing', async () => {
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
