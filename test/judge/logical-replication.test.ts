import { expect, it } from 'vitest';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { ci } from '../../src/operations/ci.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

it('sends no subscriber what is measured', async (context) => {
  // A server that was given may be set otherwise.
  if ((await database.value('show wal_level')) !== 'logical') return context.skip();
  const slot = String(await database.value('select current_database()'));
  await database.query('create publication everything for all tables');
  await database.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  const count = (name: string) =>
    database.value(
      `select count(*)::int from pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1',
         'publication_names', 'everything') where get_byte(data, 0) = ascii('R') and position($2::bytea in data) > 0`,
      [slot, name],
    );
  try {
    const { reference } = await ci({
      databaseUrl: database.url,
      fixtures: [sizedCertificates(200), sizedAgents(200)],
      settle: false,
      budgetRatio: 1000,
    });
    expect(reference?.leftOut).toEqual([
      'managed_certificates: its write-ahead log, which logical replication would send on',
      'agents: its write-ahead log, which logical replication would send on',
    ]);
    expect(await count('agents')).toBe(1);
    expect(await count('scale_seed')).toBe(0);
  } finally {
    await database.query('select pg_drop_replication_slot($1)', [slot]);
  }
});
