import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startEmbedded, type EmbeddedServer } from '../../src/embedded/index.js';
import { freePort } from '../../src/embedded/server.js';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import type { LoadReport } from '../../src/report/result.js';

const dataDirectory = join(tmpdir(), `scale-seed-patience-${process.pid}`);
let server: EmbeddedServer | undefined;

afterEach(async () => {
  await server?.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});

/** A server as a container's entrypoint starts it: once to make the database, and then again for good. */
async function startServer(port: number): Promise<string> {
  server = await startEmbedded({ dataDirectory, port, settings: { fsync: 'off' } });
  return server.url.replace('@', `:${server.password}@`).replace(/\?.*/, '');
}

async function execute(databaseUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(sql);
  await client.end();
}

describe('--wait outlives a server that', () => {
  it.each([
    ['restarts while its tables are waited for', 'no table'],
    ['restarts in the middle of a statement', 'held'],
  ])('%s', async (_, what) => {
    const port = await freePort(0);
    const url = await startServer(port);
    const missing = what === 'no table' ? 'alter table agents rename to agents_to_come' : 'select';
    const come = what === 'no table' ? 'alter table agents_to_come rename to agents' : 'select';
    await execute(url, missing);
    const holder = new pg.Client({ connectionString: url });
    holder.on('error', () => undefined);
    await holder.connect();
    if (what === 'held') await holder.query('begin; lock table agents in access exclusive mode');
    const notices: string[] = [];
    let waiting = (): void => undefined;
    const waits = new Promise<void>((resolve) => (waiting = resolve));
    let startMs = 0;
    const loading: Promise<LoadReport> = load({
      databaseUrl: url,
      fixtures: [sizedAgents(100)],
      waitMs: 60_000,
      onEvent: (event) => {
        if (event.type === 'stage' && event.stage === 'prepare') startMs = performance.now();
        if (event.type !== 'notice') return;
        notices.push(event.message);
        waiting();
      },
    });
    await waits;
    await server?.stop();
    await vi.waitFor(
      () => {
        expect(notices.join('\n')).toMatch(
          /waiting: .*(terminat|ECONNREFUSED|shutting down|starting up|reset)/,
        );
      },
      { timeout: 30_000 },
    );
    const downMs = performance.now() - startMs;
    await startServer(port);
    await execute(url, come);
    const { fixtures, timings } = await loading;
    expect(fixtures[0]?.inserted).toBe(100);
    // All of the time while it was gone was waited for; connecting is what the attempt took that got through.
    const { connectMs, waitMs, workMs, settleMs, totalMs } = timings;
    expect(waitMs).toBeGreaterThan(downMs - 250);
    expect(connectMs + waitMs + workMs + settleMs).toBeLessThanOrEqual(totalMs + 1);
    expect(connectMs).toBeGreaterThan(0);
  });
});
