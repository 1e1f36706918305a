import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SETS } from '../../src/fixtures/registry.js';
import { sizedCertificates } from '../../src/fixtures/sized.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import { startStatementProxy, type StatementProxy } from '../interleavings/statement-proxy.js';
import { useDatabase } from '../support/database.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const database = useDatabase();
/** How one begins, as the protocol has it. */
const CANCEL_REQUEST = '\x00\x00\x00\x10\x04\xd2\x16\x2e';

let proxy: StatementProxy;

beforeAll(async () => {
  proxy = await startStatementProxy(Number(new URL(database.directUrl).port));
});

afterAll(() => proxy.close());

/** How many statements a load of the default fleet sends, each of which waits for its answer. */
async function countStatements(options: LoadOptions = {}): Promise<number> {
  const url = new URL(database.directUrl);
  url.port = String(proxy.port);
  const before = proxy.statements.length;
  await load({ databaseUrl: url.href, fixtures: SETS.fleet, settle: false, ...options });
  return proxy.statements.length - before;
}

it('a load asks the server no more often than it has to, and a rerun hardly at all', async () => {
  expect(await countStatements()).toBe(25);
  // Whatever another session commits meanwhile has it look once more: other files' do.
  let least = Infinity;
  for (let reruns = 0; reruns < 50 && least > 12; reruns++) {
    const statements = await countStatements();
    expect(statements).toBeLessThanOrEqual(14);
    least = Math.min(least, statements);
  }
  expect(least).toBe(12);
  await database.query('truncate managed_certificates, agents cascade');
  expect(await countStatements({ mode: 'exclusive' })).toBe(39);
});

it('a fixture that fails while the server is at work has nothing cancelled, and nothing come behind the rollback', async () => {
  await database.query('truncate managed_certificates, agents cascade');
  let sent = '';
  const wire = await startTcpProxy(Number(new URL(database.directUrl).port), (bytes) => {
    sent += bytes.toString('latin1');
  });
  const url = new URL(database.directUrl);
  url.port = String(wire.port);
  const certificates = sizedCertificates(3_000);
  for (let turns = 0; turns < 20; turns++) {
    sent = '';
    const failing = {
      ...certificates,
      async *rows(): AsyncGenerator<readonly unknown[]> {
        yield* certificates.rows(1, turns % 2 === 0 ? 0 : 1_500);
        for (let turn = 0; turn < turns; turn++) await nextTurn();
        throw new Error('out of certificates');
      },
    };
    const mode = turns % 4 < 2 ? 'online' : 'exclusive';
    const loading = load({ databaseUrl: url.href, fixtures: [failing], mode });
    await expect(loading).rejects.toMatchObject({ code: 'fixture' });
    expect(sent).not.toContain(CANCEL_REQUEST);
    expect(sent).toMatch(/Q\0{3}\rrollback\0(?![^]*Q\0)/);
  }
  await wire.close();
});
