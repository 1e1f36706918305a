import { describe, expect, it } from 'vitest';
import {
  ci,
  clean,
  load,
  manifest,
  reset,
  SETS,
  sizedAgents,
  verify,
  type LoadOptions,
} from '../../src/index.js';

const NOWHERE = { databaseUrl: 'postgresql://u@127.0.0.1:1/d' };

describe('options from JavaScript', () => {
  it.each<[string, object, RegExp]>([
    ['a mode that there is not', { mode: 'fast' }, /^mode must be online or exclusive$/],
    ['no jobs', { jobs: 0 }, /^jobs must be a whole number from 1 to 64$/],
    ['half a job', { jobs: 1.5 }, /^jobs must be/],
    ['jobs as a text', { jobs: '2' }, /^jobs must be/],
    [
      'a name for a fixture',
      { fixtures: ['02_agent_fleet'] },
      /^fixtures must be a list of what defineFixture/,
    ],
    [
      'a fixture that nobody has completed',
      { fixtures: [{ name: 'x', table: 't', count: 0, columns: {}, rows: () => [] }] },
      /^fixtures must be a list of what defineFixture/,
    ],
    [
      'two fixtures of one name',
      { fixtures: [sizedAgents(1), sizedAgents(2)] },
      /^two fixtures are called scale_agents$/,
    ],
    [
      'an option of the embedded server’s that it does not have',
      { databaseUrl: undefined, embedded: { datadir: '/tmp/x' } },
      /^embedded must be true, false or an object with dataDirectory/,
    ],
    ['no fixture', { fixtures: [] }, /^no fixture is chosen: there are no rows/],
    ['one fixture for a list', { fixtures: SETS.fleet[0] }, /^fixtures must be a list/],
    ['a name for a list of schemas', { schemas: 'fleet' }, /^schemas must be a list of texts$/],
    ['a number for a schema', { schemas: [1] }, /^schemas must be/],
    [
      'a time that is none',
      { waitMs: NaN },
      /^waitMs must be a number of milliseconds from 0 to 2147483647$/,
    ],
    ['a time before now', { timeoutMs: -1 }, /^timeoutMs must be/],
    ['a time as a text', { waitMs: '5s' }, /^waitMs must be/],
    ['a word for a flag', { force: 'yes' }, /^force must be true or false$/],
    ['null for a URL', { databaseUrl: null }, /^databaseUrl must be a text$/],
    ['a word for a listener', { onEvent: 'log' }, /^onEvent must be a function$/],
    ['a signal that is none', { signal: {} }, /^signal must be an AbortSignal$/],
    ['a ratio of nothing', { budgetRatio: 0 }, /^budgetRatio must be a number above 0$/],
    ['an option of the prototype', { toString: 1 }, /^there is no option toString$/],
    [
      'an unknown option of the embedded server',
      { embedded: { dataDir: '/x' } },
      /^embedded must be true, false or an object/,
    ],
    ['a port that is none', { embedded: { port: -1 } }, /^embedded must be/],
    ['an unknown option that is not set', { databaseURL: undefined }, /^there is no option databaseURL$/],
    ['an unknown option', { databaseURL: 'postgresql://x' }, /^there is no option databaseURL$/],
  ])('refuses %s', async (_, wrong, message) => {
    for (const operation of [load, reset, ci, manifest]) {
      const options = { ...NOWHERE, ...wrong } as unknown as LoadOptions;
      await expect(operation(options)).rejects.toMatchObject({
        name: 'ScaleSeedError',
        code: 'usage',
        message: expect.stringMatching(message) as string,
      });
    }
  });

  it.each([null, 5, [], () => SETS.fleet])('refuses what is no object: %s', async (options) => {
    for (const operation of [load, verify, reset, clean, ci, manifest])
      await expect(operation(options as never)).rejects.toMatchObject({
        name: 'ScaleSeedError',
        code: 'usage',
        message: 'the options must be an object',
      });
  });

  it.each<[string, string, (options: never) => Promise<unknown>]>([
    ['ci', 'dryRun', ci],
    ['clean', 'keepDependents', clean],
  ])('%s does not pass over %s, and change what was to stay', async (name, option, operation) => {
    await expect(operation({ ...NOWHERE, [option]: true } as never)).rejects.toMatchObject({
      code: 'usage',
      message: `${name} has no option ${option}`,
    });
    const others = { ...NOWHERE, [option]: false, settle: false, live: true };
    await expect(operation(others as never)).rejects.toMatchObject({ code: 'connect' });
  });

  it.each([
    ['load', load, { code: 'usage', message: 'a dry run adds no rows that could be verified' }],
    ['reset, which has no verify,', reset, { code: 'connect' }],
  ])('%s does not pass over verify in a dry run', async (_, operation, expected) => {
    const both = { ...NOWHERE, dryRun: true, verify: true };
    await expect(operation(both)).rejects.toMatchObject(expected);
    await expect(operation({ ...both, verify: false })).rejects.toMatchObject({ code: 'connect' });
    await expect(operation({ ...both, dryRun: false })).rejects.toMatchObject({ code: 'connect' });
  });

  it('refuses a regression from nothing', async () => {
    await expect(ci({ ...NOWHERE, maxRegressionPercent: 5 })).rejects.toMatchObject({ code: 'usage' });
  });

  it('says what was meant', async () => {
    const options = { ...NOWHERE, databaseURL: 'x' } as LoadOptions;
    await expect(load(options)).rejects.toMatchObject({ hint: 'did you mean databaseUrl?' });
  });
});
