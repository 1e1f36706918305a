import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Session } from '../../src/postgres/session.js';
import { resolveTarget } from '../../src/postgres/target.js';
import { hasOpenssl } from '../support/certificates.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { hasServer, startTwoServers, type TwoServers } from '../support/two-servers.js';

const QUERY = `select 'top secret'`;

/** Connects, asks, and says how far it came. */
async function ask(text: string, env: Record<string, string> = {}): Promise<string> {
  try {
    const session = await Session.open(
      resolveTarget(text, { HOME: '/nowhere', ...env }),
      new AbortController().signal,
    );
    await session.query(QUERY).finally(() => session.close());
    return 'asked';
  } catch (error) {
    return String(error);
  }
}

const message = (type: string, ...numbers: number[]): Buffer => {
  const bytes = Buffer.alloc(5 + numbers.length * 4);
  bytes.write(type);
  bytes.writeInt32BE(bytes.length - 1, 1);
  numbers.forEach((number, i) => bytes.writeInt32BE(number, 5 + i * 4));
  return bytes;
};
const LET_IN = Buffer.concat([message('R', 0), Buffer.from('Z\0\0\0\u0005I')]);

/** What a server that is not the right one may ask for to learn a password or a query. */
const GREED = {
  password: message('R', 3),
  'md5 of the password': message('R', 5, 0x01020304),
  nothing: LET_IN,
};

/** A way to log in by which the server proves that it knows the password, too. */
const SCRAM = Buffer.concat([message('R', 10), Buffer.from('SCRAM-SHA-256\0\0')]);
SCRAM.writeInt32BE(SCRAM.length - 1, 1);

const error = (code: string): Buffer => {
  const fields = Buffer.from(`SFATAL\0C${code}\0Mnot now\0\0`);
  const bytes = Buffer.concat([message('E'), fields]);
  bytes.writeInt32BE(bytes.length - 1, 1);
  return bytes;
};

/** A server without TLS that asks for such a thing, lets everybody in, and keeps what it is sent. */
async function startGreedy(
  first: Buffer,
  refusal: Buffer = Buffer.from('N'),
): Promise<{ port: number; heard: () => Promise<string>; connections: () => number }> {
  let heard = '';
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      const isRequestForTls = bytes.length === 8 && bytes.readInt32BE(4) === 80_877_103;
      if (isRequestForTls) socket.write(refusal);
      else if (bytes.readInt32BE(0) === bytes.length) socket.write(first);
      else if (bytes.toString('latin1', 0, 1) === 'p') socket.write(LET_IN);
      else socket.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    heard: async () => {
      // Until nothing is on its way any more.
      server.close();
      await once(server, 'close');
      return heard;
    },
    connections: () => connections,
  };
}

const SAFETY: [query: string, env?: Record<string, string>][] = [
  ['sslmode=require'],
  ['sslmode=verify-ca'],
  ['sslmode=verify-full&sslrootcert=system'],
  ['sslrootcert=system'],
  ['sslrootcert=system&sslmode=prefer'],
  ['ssl=true'],
  ['requiressl=1'],
  ['sslnegotiation=direct'],
  ['sslnegotiation=direct&sslmode=require'],
  ['sslcertmode=require'],
  ['sslcrldir=/etc'],
  ['channel_binding=require'],
  ['channel_binding=require&sslmode=disable'],
  ['require_auth=scram-sha-256'],
  ['require_auth=!password,!md5,!none'],
  ['require_auth=gss'],
  ['gssencmode=require'],
  ['requirepeer=postgres'],
  ['min_protocol_version=3.2'],
  ['scram_client_key=x'],
  ['oauth_issuer=x'],
  ['', { PGSSLMODE: 'require' }],
  ['', { PGSSLMODE: 'verify-full' }],
  ['', { PGSSLROOTCERT: 'system' }],
  ['', { PGREQUIRESSL: '1' }],
  ['', { PGSSLNEGOTIATION: 'direct' }],
  ['', { PGSSLCERTMODE: 'require' }],
  ['', { PGCHANNELBINDING: 'require' }],
  ['', { PGREQUIREAUTH: 'scram-sha-256' }],
  ['', { PGGSSENCMODE: 'require' }],
  ['', { PGREQUIREPEER: 'postgres' }],
];

describe.each(Object.entries(GREED))('a server in place of the right one that asks for %s', (_, first) => {
  it.each(SAFETY)('learns nothing by %s %j', async (query, env) => {
    const greedy = await startGreedy(first);
    const url = `postgresql://either:pass-word@127.0.0.1:${greedy.port}/fleet?${query}`;
    const outcome = await ask(url, env);
    expect(outcome).toMatch(/^ScaleSeedError: /);
    expect(await greedy.heard()).not.toMatch(/pass-word|select|md5/);
  });

  it('learns it where nothing is asked for', async () => {
    const greedy = await startGreedy(first);
    await ask(`postgresql://either:pass-word@127.0.0.1:${greedy.port}/fleet`);
    expect(await greedy.heard()).toMatch(/pass-word|select|md5/);
  });
});

describe('a server without TLS', () => {
  it.each([
    ['is spoken to on the one connection', '', 1, true],
    ['is left alone where TLS is wanted', 'sslmode=require', 1, false],
    ['is not asked for it where none is wanted', 'sslmode=disable', 1, true],
  ])('%s', async (_, query, connections, isAsked) => {
    const plain = await startGreedy(LET_IN);
    await ask(`postgresql://either:pass-word@127.0.0.1:${plain.port}/fleet?${query}`);
    expect((await plain.heard()).includes('select')).toBe(isAsked);
    expect(plain.connections()).toBe(connections);
  });

  it('is not believed where it says more than that', async () => {
    const hasty = await startGreedy(LET_IN, Buffer.concat([Buffer.from('N'), LET_IN]));
    const outcome = await ask(`postgresql://either:pass-word@127.0.0.1:${hasty.port}/fleet`);
    expect(outcome).toMatch(/error establishing an SSL connection/);
    expect(await hasty.heard()).not.toMatch(/either|select/);
  });
});

describe('a server that asks for a proof and gives none', () => {
  it.each(['', 'channel_binding=prefer', 'require_auth=scram-sha-256', 'require_auth=scram-sha-256,none'])(
    'is not believed, %s',
    async (query) => {
      const greedy = await startGreedy(SCRAM);
      const outcome = await ask(`postgresql://either:pass-word@127.0.0.1:${greedy.port}/fleet?${query}`);
      expect(outcome).toMatch(/does not prove/);
      expect(await greedy.heard()).not.toMatch(/pass-word|select/);
    },
  );
});

describe('of several servers the next is asked', () => {
  it.each([
    ['where one is starting up', '57P03', true],
    ['but not where one lets nobody in', '28P01', false],
    ['but not where one has no room', '53300', false],
  ])('%s', async (_, code, isAsked) => {
    const [one, next] = [await startGreedy(error(code)), await startGreedy(LET_IN)];
    const list = `127.0.0.1:${one.port},127.0.0.1:${next.port}`;
    const outcome = await ask(`postgresql://either:pass-word@${list}/fleet?sslmode=disable`);
    await one.heard();
    expect((await next.heard()).includes('select')).toBe(isAsked);
    expect(outcome).toMatch(/^ScaleSeedError: /);
  });
});

describe('of several servers the next is not asked where one was reached', () => {
  it.each<[string, (client: Socket) => unknown]>([
    ['and hangs up', (client) => client.once('data', () => client.resetAndDestroy())],
    ['and hangs up for good', (client) => client.once('data', () => client.end())],
    ['and is of HTTP', (client) => client.once('data', () => client.end('HTTP/1.1 400 Bad Request'))],
    ['and is of SSH', (client) => client.write('SSH-2.0-OpenSSH_9.6')],
  ])('%s', async (_, answer) => {
    const one = createServer((client) => {
      client.on('error', () => undefined);
      answer(client);
    }).listen(0, '127.0.0.1');
    await once(one, 'listening');
    const { port } = one.address() as AddressInfo;
    const next = await startGreedy(LET_IN);
    for (const mode of ['disable', 'prefer']) {
      const list = `127.0.0.1:${port},127.0.0.1:${next.port}`;
      const url = `postgresql://either:pass-word@${list}/fleet?connect_timeout=9&sslmode=${mode}`;
      expect(await ask(url)).toMatch(/^ScaleSeedError: cannot connect to \S+: (?!timeout)/);
    }
    one.close();
    expect(await next.heard()).toBe('');
    expect(next.connections()).toBe(0);
  });
});

describe('connect_timeout', () => {
  it('is for what is asked after the login, too', async () => {
    const silent = createServer((client) => {
      client.once('data', () => client.write(LET_IN));
      client.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const query = 'sslmode=disable&connect_timeout=1&target_session_attrs=primary';
    expect(await ask(`postgresql://u@127.0.0.1:${port}/d?${query}`)).toMatch(/timeout expired/);
    silent.close();
  });
});

describe.skipIf(!hasServer || !hasOpenssl)('on the way to a server with TLS', () => {
  let servers: TwoServers;
  let proxy: TcpProxy;
  let passed = '';

  beforeAll(async () => {
    servers = await startTwoServers();
    proxy = await startTcpProxy(servers.primary, (bytes) => {
      passed += bytes.toString('latin1');
    });
  });

  afterAll(async () => {
    await proxy.close();
    await servers.stop();
  });

  it.each<[user: string, query: string, isClear: boolean]>([
    ['cleartext', '', false],
    ['cleartext', 'sslmode=disable', true],
    ['cleartext', 'sslmode=require', false],
    ['cleartext', 'sslmode=verify-full&sslrootcert=CA', false],
    ['cleartext', 'sslrootcert=system', false],
    ['cleartext', 'require_auth=password', false],
    ['either', 'channel_binding=require', false],
    ['either', 'channel_binding=require&sslmode=verify-ca&sslrootcert=CA', false],
    ['either', 'require_auth=scram-sha-256&sslmode=require', false],
    ['encrypted', 'sslmode=allow', false],
    ['either', 'sslmode=allow', true],
  ])('%s with %s', async (user, query, isClear) => {
    passed = '';
    const ca = join(servers.folder, 'ca.crt');
    const url = `postgresql://${user}:pw@localhost:${proxy.port}/fleet?${query.replace('CA', ca)}`;
    expect(await ask(url, { SSL_CERT_FILE: ca })).toBe('asked');
    expect(/top secret|pw\0/.test(passed)).toBe(isClear);
  });

  it('what both ways say is told', async () => {
    const outcome = await ask(`postgresql://by_either@localhost:${proxy.port}/fleet`);
    expect(outcome).toMatch(
      /cannot connect to \S+ \(with TLS: connection requires a valid client certificate\): .*asks for a password/,
    );
  });

  it('a wrong password is not tried again in the clear', async () => {
    passed = '';
    const outcome = await ask(`postgresql://either:wrong@localhost:${proxy.port}/fleet`);
    expect(outcome).toMatch(/password authentication failed/);
    expect(passed).not.toContain('either');
  });
});
