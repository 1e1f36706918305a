import { expect, it } from 'vitest';
import type { Run } from '../../bench/load-path.js';
import { WAYS_BACK } from '../../bench/paths/ways-back.js';
import { sizedAgents, sizedCertificates, verify } from '../../src/index.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

it('three rows in ten are changed as a run changes them, and reset changes them back', async () => {
  const path = WAYS_BACK.find(({ name }) => name === 'reset-changed')!;
  const fixtures = [sizedCertificates(1000), sizedAgents(500)];
  const databaseUrl = database.directUrl;
  const run: Run = {
    url: databaseUrl,
    schema: 'public',
    client: await database.client(),
    fixtures,
    anchorUs: 0n,
    csvFile: () => Promise.reject(new Error('no file is needed')),
    folder: '',
  };
  await path.prepare!(run);
  const changed = await verify({ databaseUrl, fixtures });
  expect(changed.fixtures.map(({ driftedRows }) => driftedRows)).toEqual([300, 150]);
  expect(changed.fixtures.map(({ drift }) => drift.map(({ column }) => column).sort())).toEqual([
    ['expires_at', 'last_renewal_at', 'status', 'updated_at'],
    ['last_heartbeat_at', 'status'],
  ]);
  await path.load(run);
  expect((await verify({ databaseUrl, fixtures })).intact).toBe(true);
});
