import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  embeddedStatus,
  startEmbedded,
  stopEmbedded,
  type EmbeddedServer,
} from '../src/database/embedded/index.js';
import { seedParents } from '../src/database/with-database.js';
import { sizedCertificates } from '../src/fixtures/sized.js';
import { load } from '../src/load.js';
import { start, type Outcome } from './support/command-line.js';

/** How many moments are tried for each fault and mode; FAULT_TRIALS=20 is the whole campaign. */
const TRIALS = Number(process.env.FAULT_TRIALS ?? 4);
const ROWS = 30_000;
/** A load of so many rows takes some 600 ms from the start of the process. */
const LONGEST_MS = 700;

const dataDirectory = join(tmpdir(), `scale-seed-faults-${process.pid}`);
let server: EmbeddedServer;
let structure: unknown;

async function startServer(): Promise<void> {
  server = await startEmbedded({ dataDirectory, keepRunning: true, seed: seedParents });
}

/** A query by a connection of its own, since the server may have gone since the last. */
async function query(sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server.url.replace('@', `:${server.password}@`) });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const count = async (sql: string): Promise<number> => Number((await query(sql))[0]?.count);

const describeStructure = (): Promise<unknown> =>
  query(`select indexname as name, indexdef as definition from pg_indexes where schemaname = 'public'
    union all select conname, pg_get_constraintdef(oid) || convalidated from pg_constraint
      where connamespace = 'public'::regnamespace
    order by 1, 2`);

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it did not happen within 20 s');
    await delay(10);
  }
}

/** What must hold after any fault: all or nothing, the same indexes and constraints, and a next run that completes. */
async function checkAfterwards(): Promise<void> {
  expect([0, ROWS]).toContain(await count('select count(*) from managed_certificates'));
  expect(await describeStructure()).toEqual(structure);
  const next = await load({ databaseUrl: server.url, fixtures: [sizedCertificates(ROWS)], settle: false });
  expect(next.fixtures[0]?.present).toBe(ROWS);
  expect(await describeStructure()).toEqual(structure);
  expect(await count(`select count(*) from pg_class where relname like 'scale_seed%'`)).toBe(0);
  expect(await count(`select count(*) from pg_stat_activity where application_name = 'scale-seed'`)).toBe(0);
  await query('truncate managed_certificates');
}

/** Moments spread over a load, each at a place that the trial's number alone decides. */
const momentOf = (trial: number): number => Math.round(((trial * 0.618_034) % 1) * LONGEST_MS);

beforeAll(async () => {
  await startServer();
  structure = await describeStructure();
});

afterAll(async () => {
  await stopEmbedded({ dataDirectory });
  await rm(dataDirectory, { recursive: true, force: true });
});

const trials = (['online', 'exclusive'] as const).flatMap((mode) =>
  Array.from({ length: TRIALS }, (_, trial) => [mode, momentOf(trial + 1)] as const),
);

describe('kill -9 of the loader', () => {
  it.each(trials)('in %s mode after %i ms leaves all or nothing', async (mode, afterMs) => {
    const loading = start(['load', '--certs', String(ROWS), '--mode', mode, '--database-url', server.url]);
    await delay(afterMs);
    loading.kill('SIGKILL');
    await loading.outcome;
    await until(
      async () =>
        (await count(`select count(*) from pg_stat_activity where application_name = 'scale-seed'`)) === 0,
    );
    await checkAfterwards();
  });
});

describe('an immediate stop of the server', () => {
  it.each(trials)('in %s mode after %i ms leaves all or nothing', async (mode, afterMs) => {
    const loading = start(['load', '--certs', String(ROWS), '--mode', mode, '--database-url', server.url]);
    await delay(afterMs);
    const { pid } = await embeddedStatus({ dataDirectory });
    process.kill(pid!, 'SIGQUIT');
    const outcome = await loading.outcome;
    expectClearOutcome(outcome);
    await until(async () => !(await embeddedStatus({ dataDirectory })).running);
    await startServer();
    await checkAfterwards();
  });
});

/** The load was done, or it failed with one clear message. */
function expectClearOutcome({ code, stderr }: Outcome): void {
  expect([0, 1]).toContain(code);
  if (code === 1) expect(stderr).toMatch(/^scale-seed: .+/m);
  expect(stderr).not.toMatch(/this is a bug|\n\s+at /);
}
