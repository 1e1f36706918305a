import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/command-line.js';

/** AuthenticationRequest of a kind, as the protocol has it. */
const authentication = (kind: number): Buffer => Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, kind]);

/** What a server says at once, or to the first and the second that it hears. */
const SERVERS: [string, (client: Socket) => unknown, RegExp][] = [
  ...[2, 7, 9, 99].map((kind): (typeof SERVERS)[0] => [
    `that asks for login ${kind}`,
    (client) =>
      client.once('data', () =>
        client.write('N', () => client.once('data', () => client.write(authentication(kind)))),
      ),
    /an authentication method that scale-seed does not support/,
  ]),
  ['of SSH', (client) => client.write('SSH-2.0-OpenSSH_9.6\r\n'), /is the server running there\?/],
  [
    'of HTTP',
    (client) => client.once('data', () => client.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    /is the server running there\?/,
  ],
  ['that hangs up', (client) => client.once('data', () => client.end()), /is the server running there\?/],
  [
    'that speaks nonsense',
    (client) =>
      client.once('data', () =>
        client.write('N', () => client.once('data', () => client.end('?'.repeat(99)))),
      ),
    /is no PostgreSQL server\n.*\n {2}try: is the server running there/,
  ],
  [
    'that speaks in errors without a meaning',
    (client) =>
      client.once('data', () =>
        client.write('N', () => client.once('data', () => client.end('E\0\0\0\u0005\0'))),
      ),
    /is the server running there/,
  ],
];

describe.each(SERVERS)('a server %s', (_, answer, hint) => {
  const server = createServer((client) => {
    client.on('error', () => undefined);
    answer(client);
  });

  beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
  afterAll(() => {
    server.close();
  });

  it('is one clear message', async () => {
    const { port } = server.address() as AddressInfo;
    const url = `postgresql://u:s3cret@127.0.0.1:${port}/d?connect_timeout=2`;
    const { code, stdout, stderr } = await run(['load', '--format', 'json', '--database-url', url]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^scale-seed: cannot connect to /);
    expect(stderr).toMatch(hint);
    expect(stderr).not.toMatch(/^\s+at |node:internal|s3cret/m);
    expect(JSON.parse(stdout)).toMatchObject({
      failures: [{ code: 'connect', state: 'nothing was changed' }],
    });
  });
});
