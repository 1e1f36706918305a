import { afterAll, beforeAll, expect, it } from 'vitest';
import { SETS } from '../../src/fixtures/registry.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import { startStatementProxy, type StatementProxy } from '../interleavings/statement-proxy.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
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
  expect(await countStatements()).toBe(12);
  await database.query('truncate managed_certificates, agents cascade');
  expect(await countStatements({ mode: 'exclusive' })).toBe(41);
});
