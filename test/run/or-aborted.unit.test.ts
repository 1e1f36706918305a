import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { orAborted } from '../../src/run/or-aborted.js';

const never = new Promise<void>(() => undefined);

it('gives up what never ends, whether the signal is aborted before or later', async () => {
  const controller = new AbortController();
  const waiting = orAborted(never, controller.signal);
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(orAborted(never, controller.signal)).rejects.toThrow('enough');
});

it('leaves no listener behind', async () => {
  const { signal } = new AbortController();
  expect(await orAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(orAborted(Promise.reject(new Error('own')), signal)).rejects.toThrow('own');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
