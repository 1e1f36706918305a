import { clean, load, reset, verify, type ReportBase, type ResetOptions } from '../../src/index.js';
import { quote } from '../../src/postgres/quote.js';
import type { LoadPath, Phases, Run } from '../load-path.js';

const FIRST_LOAD = 'load-settled';

/** Whole calls of the library's, the final VACUUM (ANALYZE) included: whoever calls them waits for it. */
const OURS = { kind: 'ours', reference: FIRST_LOAD } as const;

const phasesOf = ({ timings: { connectMs, workMs, settleMs } }: ReportBase): Phases => ({
  connect: connectMs,
  work: workMs,
  settle: settleMs,
});

async function loadSettled({ url, fixtures }: Run): Promise<Phases> {
  return phasesOf(await load({ databaseUrl: url, fixtures }));
}

async function loadBefore(run: Run): Promise<void> {
  await loadSettled(run);
}

/** What a run writes to three rows in ten, by table. */
const CHANGES: Readonly<Record<string, string>> = {
  managed_certificates: `status = 'RenewalInProgress', expires_at = now() + interval '90 days', last_renewal_at = now(),
    updated_at = now()`,
  agents: `status = 'Offline', last_heartbeat_at = now()`,
};

/** Loads, and changes rows as a run does; autovacuum, which would come at some time of its own, is forestalled. */
async function loadAndChange(run: Run): Promise<void> {
  await loadSettled(run);
  for (const name of new Set(run.fixtures.map(({ table }) => table))) {
    const table = quote(name);
    await run.client.query(`update ${table} set ${CHANGES[name] ?? ''} where id ~ '[147]$'`);
    await run.client.query(`vacuum (analyze) ${table}`);
  }
}

function resetWith(options: ResetOptions): LoadPath['load'] {
  return async ({ url, fixtures }) => phasesOf(await reset({ databaseUrl: url, fixtures, ...options }));
}

/** What is done with rows that stand, after the first load that it is measured against. */
export const WAYS_BACK: readonly LoadPath[] = [
  {
    ...OURS,
    name: FIRST_LOAD,
    about: 'scale-seed load with its final VACUUM (ANALYZE), which the ways back are compared with',
    load: loadSettled,
  },
  {
    ...OURS,
    name: 'verify',
    about: 'scale-seed verify after a load: every column of every row is held against the fixture',
    prepare: loadBefore,
    load: async ({ url, fixtures }) => {
      const report = await verify({ databaseUrl: url, fixtures });
      if (!report.intact) throw new Error('verify found drift where nothing was changed');
      return phasesOf(report);
    },
  },
  {
    ...OURS,
    name: 'reset',
    about: 'scale-seed reset after a load, nothing changed',
    prepare: loadBefore,
    load: resetWith({}),
  },
  {
    ...OURS,
    name: 'reset-changed',
    about: 'scale-seed reset where three rows in ten changed as a run changes them',
    prepare: loadAndChange,
    load: resetWith({}),
  },
  {
    ...OURS,
    name: 'reset-exclusive',
    about: 'scale-seed reset --mode exclusive after a load, nothing changed',
    prepare: loadBefore,
    load: resetWith({ mode: 'exclusive' }),
  },
  {
    ...OURS,
    name: 'clean',
    about: 'scale-seed clean after a load',
    sendsNothing: true,
    leavesNone: true,
    prepare: loadBefore,
    load: async ({ url, fixtures }) => phasesOf(await clean({ databaseUrl: url, fixtures })),
  },
];
