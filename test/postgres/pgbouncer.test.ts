import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ci } from '../../src/operations/ci.js';
import { clean } from '../../src/operations/clean.js';
import { freePort } from '../../src/embedded/server.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { run, start } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { differenceSql } from '../support/oracle.js';
import { hasPgbouncer, startPooler, type Pooler } from '../support/pgbouncer.js';

const database = useDatabase();
let one: Pooler;
let many: Pooler;

beforeAll(async () => {
  if (!hasPgbouncer) {
    process.stderr.write('there is no pgbouncer here: its tests are skipped\n');
    return;
  }
  one = await startPooler(inject('serverUrl'), 1);
  many = await startPooler(inject('serverUrl'), 6);
});

afterAll(async () => {
  if (!hasPgbouncer) return;
  await one.stop();
  await many.stop();
  await database.untilNoSession();
});

/** Everything of a session that its next client could stumble over, and which server process it is. */
async function stateOf(pooler: Pooler): Promise<{ backend: number; state: unknown }> {
  const client = new pg.Client({ connectionString: pooler.through(database.url), application_name: 'test' });
  await client.connect();
  try {
    const { rows } = await client.query<{ backend: number; state: unknown }>(
      `select pg_backend_pid() as backend, json_build_object(
         'settings', (select json_object_agg(name, setting) from pg_settings),
         'temporary', (select count(*) from pg_class where relpersistence = 't'),
         'locks', (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'),
         'statements', (select count(*) from pg_prepared_statements),
         'cursors', (select count(*) from pg_cursors where name <> ''),
         'channels', (select count(*) from pg_listening_channels())
       ) as state`,
    );
    return rows[0]!;
  } finally {
    await client.end();
  }
}

const scale = (pattern: string): Promise<unknown> =>
  database.value('select count(*) from managed_certificates where id like $1', [pattern]);

describe.skipIf(!hasPgbouncer)('through PgBouncer in transaction mode', () => {
  it('loads, verifies, resets and cleans as it does without, on a single connection', async () => {
    const before = await stateOf(one);
    const notices: string[] = [];
    // Each in several batches.
    const fixtures = [sizedCertificates(6_000), sizedAgents(2_000)];
    const options = {
      fixtures,
      databaseUrl: one.through(database.url),
      onEvent: (event: { type: string; message?: string }) => {
        if (event.type === 'notice') notices.push(event.message ?? '');
      },
    };
    const loaded = await load({ ...options, verify: true });
    expect(loaded.fixtures.map(({ inserted }) => inserted)).toEqual([6_000, 2_000]);
    expect(loaded.verified?.intact).toBe(true);
    for (const sql of [differenceSql('scale_certs'), differenceSql('scale_agents', 2_000)])
      expect(await database.query(sql, [loaded.anchor])).toEqual([]);
    expect((await load(options)).fixtures.map(({ merge }) => merge)).toEqual(['none', 'none']);
    await database.query(`update agents set status = 'Offline'`);
    expect(await verify(options)).toMatchObject({ intact: false });
    expect((await reset(options)).fixtures.map(({ restored }) => restored)).toEqual([6_000, 2_000]);
    expect(await verify(options)).toMatchObject({ intact: true });
    expect((await clean(options)).fixtures.map(({ deleted }) => deleted)).toEqual([6_000, 2_000]);
    expect(notices).toEqual([]);
    expect(await stateOf(one)).toEqual(before);
  });

  it.each(['online', 'exclusive'] as const)(
    'leaves nothing of itself to the next client in %s mode',
    async (mode) => {
      const before = await stateOf(one);
      const options = { databaseUrl: one.through(database.url), mode, lockTimeoutMs: 1234 };
      const report = await load({ ...options, fixtures: [sizedCertificates(3_000)] });
      expect(report.foreignKeys.check).toBe('set');
      const failing = {
        ...sizedAgents(3_000),
        *rows(): Generator<unknown[]> {
          yield* [];
          throw new Error('out of agents');
        },
      };
      await expect(load({ ...options, fixtures: [failing] })).rejects.toMatchObject({ code: 'fixture' });
      await clean({ ...options, fixtures: [sizedCertificates(3_000)] });
      expect(await stateOf(one)).toEqual(before);
    },
  );

  it('vacuums', async () => {
    await load({ databaseUrl: one.through(database.url), fixtures: [sizedAgents(1_000)] });
    expect(await database.value(`select reltuples from pg_class where oid = 'agents'::regclass`)).toBe(1_000);
    const sql = `select vacuum_count > 0 from pg_stat_user_tables where relname = 'agents'`;
    await database.until(sql);
  });

  it('loads several fixtures at once', async () => {
    const fixtures = [sizedCertificates(6_000), sizedAgents(6_000)];
    const databaseUrl = many.through(database.url);
    const report = await load({ databaseUrl, fixtures, jobs: 4 });
    expect(report.fixtures.map(({ present }) => present)).toEqual([6_000, 6_000]);
    await clean({ databaseUrl, fixtures });
  });

  it('measures in a scratch schema, and says what a pool of one lacks for it', async () => {
    const options = { fixtures: [sizedAgents(300)], budgetRatio: 1000 };
    const report = await ci({ ...options, databaseUrl: many.through(database.url) });
    expect(report.verdict.checks.map(({ outcome }) => outcome)).toEqual(['pass', 'pass']);

    const controller = new AbortController();
    const hopeless = ci({
      ...options,
      databaseUrl: one.through(database.url),
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'notice' && event.message.startsWith('waiting for a second connection'))
          controller.abort();
      },
    });
    await expect(hopeless).rejects.toMatchObject({ code: 'interrupted' });
    await clean({ ...options, databaseUrl: database.url });
    expect(await database.value(`select count(*) from pg_namespace where nspname like 'scale_seed%'`)).toBe(
      '0',
    );
  });

  it.each<[string, () => Pooler]>([
    ['cancelled where the pool has another connection', () => many],
    ['cut off where it has none', () => one],
  ])('is rolled back when it is interrupted: %s', async (_, pooler) => {
    const url = pooler().through(database.url);
    const loading = start(['load', '--certs', '400000', '--agents', '0', '--database-url', url]);
    await database.untilSession(`query like '%insert into %' and state = 'active'`);
    loading.kill('SIGINT');
    const { code, stderr } = await loading.outcome;
    expect(code).toBe(130);
    expect(stderr).toContain('now: scale_certs: nothing was changed');
    expect(await scale('cert-loadtest-scale-%')).toBe('0');
    const next = await load({ databaseUrl: url, fixtures: [sizedCertificates(100)] });
    expect(next.fixtures[0]).toMatchObject({ inserted: 100 });
    await clean({ databaseUrl: url, fixtures: [sizedCertificates(100)] });
  });

  it('takes a password by scram, and no other', async () => {
    const url = new URL(many.through(database.url));
    url.password = 's3cret';
    const outcome = await run(['load', '--wait', '1h', '--database-url', url.href]);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(
      /^scale-seed: cannot connect to .*authentication.*\n.*\n {2}try: check the user and password/,
    );
    expect(outcome.stderr).not.toContain('s3cret');
  });

  it('names pool_mode where it has no transactions', async () => {
    const pooler = await startPooler(inject('serverUrl'), 2, 'pool_mode = statement');
    const outcome = await run(['load', '--wait', '1h', '--database-url', pooler.through(database.url)]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(/statement pooling mode\n.*\n {2}try: set pool_mode = transaction/);
    await pooler.stop();
  });

  it('says what to do about a parameter that the pooler does not pass on', async () => {
    const url = `${many.through(database.url)}?options=-csearch_path%3Dpublic`;
    const { code, stderr } = await run(['load', '--wait', '1h', '--database-url', url]);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /unsupported startup parameter.*: options\n {2}now: nothing was changed\n {2}try: .*--schema/,
    );
  });

  it.each([
    ['that the pooler has never reached', false, 'connect'],
    ['that the pooler has lost', true, 'server'],
  ])('waits for a server %s', async (_, reachedBefore, code) => {
    const line = await pullableLine(inject('serverUrl'));
    const pooler = await startPooler(line.url, 2, 'query_wait_timeout = 2');
    const options = { databaseUrl: pooler.through(database.url), fixtures: [sizedAgents(10)] };
    if (reachedBefore) {
      await line.plug();
      await load(options);
      await line.pull();
    }
    await expect(load(options)).rejects.toMatchObject({ code });
    const notices: string[] = [];
    const loading = load({
      ...options,
      waitMs: 60_000,
      onEvent: (event) => {
        if (event.type !== 'notice') return;
        notices.push(event.message);
        void line.plug();
      },
    });
    // Other tests may have left more of them, or none.
    expect((await loading).fixtures[0]?.present).toBeGreaterThanOrEqual(10);
    expect(notices[0]).toMatch(/^waiting: /);
    await pooler.stop();
    await line.pull();
  });
});

/** A way to the server that can be put up and pulled down; it is down at first. */
async function pullableLine(serverUrl: string) {
  const url = new URL(serverUrl);
  const serverPort = Number(url.port);
  const port = await freePort(0);
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1');
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.pipe(server).pipe(client);
  });
  url.port = String(port);
  return {
    url: url.href,
    plug: async () => {
      if (!listener.listening) await once(listener.listen(port, '127.0.0.1'), 'listening');
    },
    pull: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
