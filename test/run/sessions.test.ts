import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { resolveTarget } from '../../src/postgres/target.js';
import { Session } from '../../src/postgres/session.js';
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

describe('whoever holds a lock', () => {
  it('is called by what he is, where he is no user', async () => {
    const session = await Session.open(resolveTarget(database.directUrl), new AbortController().signal);
    const background = `select pid from pg_stat_activity where backend_type = 'checkpointer' and $1::int is not null`;
    expect(await describeHolders(session, background, [1])).toMatch(/^pid \d+ \(checkpointer\)$/);
    await session.close();
  });
});
