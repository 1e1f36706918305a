import { createServer, type AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import type { OnEvent } from '../../src/report/events.js';
import { start } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { gate } from '../support/gate.js';
import { pacedAgents } from '../support/paced-agents.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const database = useDatabase();
const NOWHERE = 'postgresql://127.0.0.1:1/d';

const never = new Promise<void>(() => undefined);

describe('a generator that never settles', () => {
  it.each([
    ['before its first row', 1],
    ['while the rows before it are merged', 4_000],
  ])('%s is given up when the time is over', async (_, last) => {
    const fixtures = [pacedAgents('stuck', (g) => (g === last ? never : undefined))];
    await expect(load({ databaseUrl: database.url, fixtures, timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('the time limit of 2000 ms has run out') as string,
      state: 'stuck: nothing was changed',
    });
    expect(await database.value(`select count(*) from agents where id like 'ag-stuck-%'`)).toBe('0');
  });
});

describe('an abort', () => {
  it('that the generator hears of first is no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', listen);
    for (const last of [1, 1_500, 4_500]) {
      const controller = new AbortController();
      const abort = (): void => {
        controller.abort();
      };
      const listening = pacedAgents('heard', (g) => {
        controller.signal.throwIfAborted();
        // After the rows that are encoded with this one, and before it is asked for the next.
        if (g === last) setImmediate(abort);
        return undefined;
      });
      const { signal } = controller;
      const loading = load({ databaseUrl: database.url, fixtures: [listening], signal });
      await expect(loading).rejects.toMatchObject({
        state: expect.stringContaining('nothing was changed') as string,
      });
    }
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });

  it('before the commit is sent leaves no doubt', async () => {
    const controller = new AbortController();
    const fixtures = [pacedAgents('last', () => undefined)];
    const onEvent: LoadOptions['onEvent'] = (event) => {
      if (event.type === 'progress' && event.phase === 'merge' && event.rows === 5_000) controller.abort();
    };
    await expect(
      load({ databaseUrl: database.url, fixtures, signal: controller.signal, onEvent }),
    ).rejects.toMatchObject({ code: 'interrupted', state: 'last: nothing was changed' });
  });
});

describe('a network that passes nothing on any more', () => {
  it.each([
    ['for new connections either', false],
    ['but new connections', true],
  ])('%s is given up when the time is over', async (_, newOnesPass) => {
    const own = new URL(database.url);
    const proxy = await startTcpProxy(Number(own.port));
    own.port = String(proxy.port);
    const options: LoadOptions = {
      databaseUrl: own.href,
      fixtures: [pacedAgents('stalled', () => undefined)],
      timeoutMs: 3_000,
      onEvent: (event) => {
        if (event.type === 'progress') proxy.stall({ newOnesPass });
      },
    };
    await expect(load(options)).rejects.toMatchObject({
      code: 'timeout',
      state: 'stalled: nothing was changed',
    });
    await proxy.close();
  });

  it('is given up while connecting', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as AddressInfo;
    await expect(
      load({ databaseUrl: `postgresql://127.0.0.1:${port}/d?connect_timeout=0`, timeoutMs: 300 }),
    ).rejects.toMatchObject({ code: 'timeout', state: 'nothing was changed' });
    silent.close();
  });
});

describe('waiting for a server', () => {
  it.each<[string, string[], NodeJS.Signals | undefined, number, RegExp]>([
    ['--timeout', ['--timeout', '1s'], undefined, 1, /the time limit of 1000 ms has run out/],
    ['Ctrl-C', [], 'SIGINT', 130, /interrupted/],
    ['SIGTERM', [], 'SIGTERM', 143, /interrupted/],
  ])('is ended by %s', async (_, options, signal, code, message) => {
    const loading = start(['load', '--wait', '30s', ...options, '--database-url', NOWHERE]);
    await loading.saw('waiting: ');
    if (signal !== undefined) loading.kill(signal);
    const outcome = await loading.outcome;
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr).toContain('  now: nothing was changed\n');
    expect(outcome.stderr).not.toMatch(/this is a bug|\n\s+at /);
  });
});

describe('what stands when a load is interrupted', () => {
  const fixtures = [sizedAgents(2_000)];

  it('while the table is vacuumed is everything', async () => {
    const other = await database.client();
    await other.query('begin');
    // Keeps VACUUM waiting, and nobody else.
    await other.query('lock table agents in share update exclusive mode');
    const controller = new AbortController();
    const loading = load({ databaseUrl: database.url, fixtures, signal: controller.signal });
    loading.catch(() => undefined);
    await database.untilSession(`query like 'vacuum%'`);
    controller.abort();
    await expect(loading).rejects.toMatchObject({
      code: 'interrupted',
      phase: 'settle',
      state: 'scale_agents: done and committed, but not vacuumed and analyzed',
    });
    // The server was told, too: otherwise the VACUUM would go on waiting.
    expect(await database.sessions(`wait_event_type = 'Lock'`)).toBe(0);
    await other.query('rollback');
  });

  it('while it is verified is what it has loaded', async () => {
    await database.query(
      `truncate agents cascade; insert into agents (id, name, hostname, api_key_hash) values ('own', 'loadtest-scale-agent-00000007', 'h', 'k')`,
    );
    const controller = new AbortController();
    const onEvent: OnEvent = (event) => {
      if (event.type === 'phase' && event.phase === 'verify') controller.abort();
    };
    const options = { databaseUrl: database.url, fixtures, verify: true, signal: controller.signal, onEvent };
    await expect(load(options)).rejects.toMatchObject({
      code: 'interrupted',
      phase: 'verify',
      state: 'what could be loaded is committed; of scale_agents 1,999 of 2,000 rows are there',
    });
  });
});

describe('a role whose transactions see only what was committed before them', () => {
  let role: string;

  beforeAll(async () => {
    role = await database.role();
    await database.query('delete from agents');
    await database.query(`grant select, insert on agents to ${role}`);
    await database.query(`alter role ${role} set default_transaction_isolation = 'repeatable read'`);
  });

  it('loads all the same when it has waited for another loader', async () => {
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'pw'];
    const { opened, open } = gate();
    const first = load({
      databaseUrl: url.href,
      fixtures: [pacedAgents('twice', (g) => (g === 5_000 ? opened : undefined))],
    });
    const onEvent: LoadOptions['onEvent'] = (event) => {
      if (event.type === 'notice' && event.message.startsWith('another scale-seed')) open();
    };
    // It stays there until it is let go: the batch before is merged, the next one held while it is encoded.
    await database.untilSession(`query like '%insert into %'`);
    const second = load({
      databaseUrl: url.href,
      fixtures: [pacedAgents('twice', () => undefined)],
      onEvent,
    });
    expect((await first).fixtures[0]).toMatchObject({ inserted: 5_000, skipped: 0 });
    expect((await second).fixtures[0]).toMatchObject({ inserted: 0, skipped: 5_000 });
  });
});
