import { load, type LoadOptions } from '../../src/index.js';
import type { LoadPath, Phases, Run } from '../load-path.js';

/** A whole call of the library's: connect, check, load, and count; settling is left out, as for all other paths. */
async function loadWith({ url, fixtures }: Run, options: LoadOptions): Promise<Phases> {
  const report = await load({ databaseUrl: url, fixtures, settle: false, ...options });
  const { connectMs, workMs } = report.timings;
  const copyMs = Math.max(...report.fixtures.map(({ timings }) => timings.copyMs));
  const mergeMs = Math.max(...report.fixtures.map(({ timings }) => timings.mergeMs));
  return { connect: connectMs, copy: copyMs, merge: mergeMs, other: Math.max(0, workMs - copyMs - mergeMs) };
}

export const online: LoadPath = {
  name: 'online',
  kind: 'ours',
  about: 'scale-seed, its default: COPY into staging, merge, foreign keys by set',
  load: (run) => loadWith(run, {}),
};

export const exclusive: LoadPath = {
  name: 'exclusive',
  kind: 'ours',
  about: 'scale-seed --mode exclusive: plain indexes rebuilt in the same transaction',
  load: (run) => loadWith(run, { mode: 'exclusive' }),
};

export const rerun: LoadPath = {
  name: 'rerun',
  kind: 'ours',
  sendsNothing: true,
  about: 'scale-seed on a database where every row stands already',
  prepare: async ({ url, fixtures }) => {
    await load({ databaseUrl: url, fixtures });
  },
  load: (run) => loadWith(run, {}),
};
