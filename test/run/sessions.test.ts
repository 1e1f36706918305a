import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { resolveTarget } from '../../src/postgres/target.js';
import { Session } from '../../src/postgres/session.js';
import { Sessions } from '../../src/run/sessions.js';
import { describeHolders } from '../../src/run/watch-locks.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

describe('the second session of a run', () => {
  it('is opened once more where its connection, opened early, has failed', async () => {
    let connections = 0;
    const url = new URL(database.url);
    const port = Number(url.port);
    const server = createServer((client) => {
      connections += 1;
      if (connections === 2) {
        client.destroy();
        return;
      }
      const upstream = connect(port, '127.0.0.1');
      for (const socket of [client, upstream]) socket.on('error', () => undefined);
      client.pipe(upstream).pipe(client);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url.port = String((server.address() as AddressInfo).port);
    url.searchParams.set('sslmode', 'disable');
    const { fixtures } = await load({
      databaseUrl: url.href,
      fixtures: [sizedCertificates(20), sizedAgents(10)],
      jobs: 2,
      settle: false,
    });
    server.close();
    expect(fixtures.map(({ inserted }) => inserted)).toEqual([20, 10]);
    expect(connections).toBe(3);
  });
});

/** A role that may load the fleet, with a setting of its own; its URL. */
async function urlOf(setting: string): Promise<string> {
  const role = await database.role();
  await database.query(
    `alter role ${role} set ${setting}; grant all on all tables in schema public to ${role}`,
  );
  const url = new URL(database.directUrl);
  [url.username, url.password] = [role, 'pw'];
  return url.href;
}

describe('a session that the server has ended', () => {
  it('is not used where it was opened early, and others were waited for', async () => {
    const databaseUrl = await urlOf(`idle_session_timeout = '300ms'`);
    await database.query('alter table agents rename to agents_to_come');
    const loading = load({
      databaseUrl,
      fixtures: [sizedCertificates(40), sizedAgents(20)],
      jobs: 2,
      waitMs: 30_000,
      settle: false,
    });
    loading.catch(() => undefined);
    // The first asks again and again.
    for (const count of [2, 1])
      await database.until(`select count(*) = ${count} from pg_stat_activity
        where datname = current_database() and application_name = 'scale-seed'`);
    await database.query('alter table agents_to_come rename to agents');
    expect((await loading).fixtures.map(({ present }) => present)).toEqual([40, 20]);
  });

  it('is told with what the server has said', async () => {
    const databaseUrl = await urlOf(`idle_in_transaction_session_timeout = '200ms'`);
    const agents = sizedAgents(60);
    const pausing = {
      ...agents,
      async *rows(first: number, last: number) {
        await database.untilNoSession();
        yield* agents.rows(first, last) as Iterable<unknown[]>;
      },
    };
    await expect(load({ databaseUrl, fixtures: [pausing], settle: false })).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('idle-in-transaction timeout') as string,
      hint: 'raise idle_in_transaction_session_timeout for the role',
      state: 'scale_agents: nothing was changed',
    });
  });
});

describe('the sessions of a run', () => {
  it('all end where one between them could not be opened', async () => {
    const target = resolveTarget(database.directUrl);
    const [{ signal }, ignore] = [new AbortController(), () => undefined];
    const sessions = new Sessions({ target, signal, abort: ignore, onEvent: ignore, onNotice: ignore });
    for (const slot of [0, 2]) await sessions.at(slot);
    await sessions.leave();
    await database.untilNoSession();
  });
});

describe('whoever holds a lock', () => {
  it('is called by what he is, where he is no user', async () => {
    const session = await Session.open(resolveTarget(database.directUrl), new AbortController().signal);
    const background = `select pid from pg_stat_activity where backend_type = 'checkpointer' and $1::int is not null`;
    expect(await describeHolders(session, background, [1])).toMatch(/^pid \d+ \(checkpointer\)$/);
    await session.close();
  });
});
