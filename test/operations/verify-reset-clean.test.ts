import { beforeAll, describe, expect, it } from 'vitest';
import { clean } from '../../src/operations/clean.js';
import { chooseFixtures } from '../../src/fixtures/registry.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';
import { differenceSql } from '../support/oracle.js';

const database = useDatabase();
const at = (): { databaseUrl: string } => ({ databaseUrl: database.url });

const TABLES = ['teams', 'owners', 'issuers', 'renewal_policies', 'managed_certificates', 'agents', 'jobs'];

/** Every row of every table but the fixtures' own. */
async function otherRows(): Promise<unknown> {
  const rows = TABLES.map((table) => `select '${table}' as tab, to_jsonb(t) as line from ${table} as t`).join(
    ' union all ',
  );
  return database.query(
    `select tab, line from (${rows}) as lines
     where not (line->>'id' like 'cert-loadtest-%' or line->>'id' like 'ag-loadtest-%') order by tab, line::text`,
  );
}

beforeAll(async () => {
  await database.query(
    `insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id, expires_at)
     select 'mc-' || g, 'real-' || g, 'real', 'o-alice', 't-platform', 'iss-local', 'rp-standard', now()
     from generate_series(1, 35) as g`,
  );
  await database.query(
    `insert into agents (id, name, hostname, api_key_hash) select 'ag-' || g, 'real-' || g, 'h', 'x' from generate_series(1, 13) as g`,
  );
  await database.query(`insert into jobs values ('job-real', 'mc-1', null)`);
});

describe('a fleet that stands as it was loaded', () => {
  it('is verified as intact', async () => {
    await load(at());
    const report = await verify(at());
    expect(report.intact).toBe(true);
    expect(report.fixtures.map(({ rows, present, driftedRows }) => [rows, present, driftedRows])).toEqual([
      [10_000, 10_000, 0],
      [5_000, 5_000, 0],
    ]);
    expect(report.fixtures[0]?.anchors).toHaveLength(1);
    expect(report.fixtures[0]?.notCompared).toEqual([]);
  });

  it('is too old when it may not be as old', async () => {
    const report = await verify({ ...at(), maxAgeMs: 0 });
    expect(report.intact).toBe(false);
    expect(report.fixtures.every(({ tooOld }) => tooOld)).toBe(true);
  });

  it('is too old when its certificates have left the window of thirty days, all of them', async () => {
    const shift = (sign: '-' | '+', days: number): string => `update managed_certificates
      set expires_at = expires_at ${sign} interval '${days} days', created_at = created_at ${sign} interval '${days} days',
        updated_at = updated_at ${sign} interval '${days} days' where id like 'cert-loadtest-%'`;
    await database.query(shift('-', 20));
    const [aged] = (await verify(at())).fixtures;
    expect(aged).toMatchObject({ intact: true, tooOld: false, driftedRows: 0 });
    expect(aged?.expired).toBeGreaterThan(5_000);
    await database.query(shift('-', 20));
    const [old] = (await verify(at())).fixtures;
    expect(old).toMatchObject({ intact: false, tooOld: true, driftedRows: 0 });
    await database.query(shift('+', 40));
    expect((await verify(at())).intact).toBe(true);
  });
});

describe('a fleet that a scenario changed', () => {
  let before: unknown;

  beforeAll(async () => {
    before = await otherRows();
    await database.query(
      `update managed_certificates set status = 'RenewalInProgress', last_renewal_at = now(), updated_at = now()
       where id like 'cert-loadtest-bulk-%' and right(id, 1)::int % 2 = 0`,
    );
    await database.query(
      `update managed_certificates set tags = '{}', sans = '{a,b}' where id = 'cert-loadtest-bulk-00007'`,
    );
    await database.query(`delete from agents where id like 'ag-loadtest-0001_'`);
    await database.query(`update agents set last_heartbeat_at = now() where id = 'ag-loadtest-00100'`);
    await database.query(
      `insert into agents (id, name, hostname, api_key_hash) values ('ag-loadtest-99999', 'stray', 'h', 'x')`,
    );
  });

  it('is reported column by column', async () => {
    const report = await verify(at());
    const [certs, agents] = report.fixtures;
    expect(report.intact).toBe(false);
    expect(certs?.driftedRows).toBe(5_001);
    expect(certs?.drift.map(({ column, rows }) => [column, rows])).toEqual([
      ['sans', 1],
      ['status', 5_000],
      ['tags', 1],
      ['updated_at', 5_000],
      ['last_renewal_at', 5_000],
    ]);
    expect(certs?.drift[1]?.examples[0]).toEqual({
      key: 'cert-loadtest-bulk-00002',
      expected: 'active',
      found: 'RenewalInProgress',
    });
    expect(agents?.missing).toEqual({
      rows: 10,
      examples: ['ag-loadtest-00010', 'ag-loadtest-00011', 'ag-loadtest-00012'],
      blocked: null,
    });
    expect(agents?.unexpected).toEqual({ rows: 1, examples: ['ag-loadtest-99999'] });
    expect(agents?.drift.map(({ column, rows }) => [column, rows])).toEqual([['last_heartbeat_at', 1]]);
  });

  it('is put back on a fresh anchor, and no other row is touched', async () => {
    await database.query(`delete from agents where id = 'ag-loadtest-99999'`);
    const report = await reset(at());
    expect(report.fixtures.map(({ restored, inserted, blocked }) => [restored, inserted, blocked])).toEqual([
      [10_000, 0, 0],
      [4_990, 10, 0],
    ]);
    for (const { name } of report.fixtures) {
      expect(await database.query(differenceSql(name), [report.anchor])).toEqual([]);
    }
    expect((await verify(at())).intact).toBe(true);
    expect(await otherRows()).toEqual(before);
  });

  it('loses what nobody can put back: a row whose name is taken', async () => {
    await database.query(`update agents set id = 'ag-thief' where id = 'ag-loadtest-00001'`);
    expect((await reset(at())).fixtures[1]).toMatchObject({ restored: 4_999, inserted: 0, blocked: 1 });
    await database.query(`update agents set id = 'ag-loadtest-00001' where id = 'ag-thief'`);
  });
});

describe('clean', () => {
  it('refuses while rows of other tables forbid it, and says which', async () => {
    await database.query(`insert into acme_orders values ('order-1', 'cert-loadtest-bulk-00001')`);
    await expect(clean(at())).rejects.toMatchObject({
      code: 'conflict',
      message:
        'fixture 01_bulk_renewal_certs: rows that stay refer to it and forbid its deletion: 1 in public.acme_orders',
    });
    await database.query(`delete from acme_orders`);
  });

  it('asks before it deletes', async () => {
    const asked: unknown[] = [];
    const confirm = (plan: unknown): Promise<boolean> => {
      asked.push(plan);
      return Promise.resolve(false);
    };
    const report = await clean({ ...at(), confirm, fixtures: chooseFixtures({ names: ['02_agent_fleet'] }) });
    const plan = {
      fixture: '02_agent_fleet',
      schema: 'public',
      table: 'agents',
      rows: 5_000,
      dependents: [],
    };
    expect(asked).toEqual([plan]);
    expect(report.fixtures[0]?.deleted).toBe(0);
  });

  it('leaves exactly the rows of before the load, and says what went with them', async () => {
    const before = await otherRows();
    await database.query(`insert into jobs values ('cert-loadtest-job', 'cert-loadtest-bulk-00001', null)`);
    await database.query(
      `insert into issuance_approval_requests values ('r-1', 'mc-1', 'cert-loadtest-job')`,
    );
    const report = await clean(at());
    expect(report.fixtures.map(({ deleted }) => deleted)).toEqual([10_000, 5_000]);
    expect(report.fixtures[0]?.dependents).toEqual([
      { table: 'public.issuance_approval_requests', rows: 1, effect: 'deleted' },
      { table: 'public.jobs', rows: 1, effect: 'deleted' },
    ]);
    expect(await otherRows()).toEqual(before);
    expect(await database.value('select count(*) from agents')).toBe('13');
    expect(await database.value('select count(*) from managed_certificates')).toBe('35');
  });

  it('has nothing to do the second time', async () => {
    const report = await clean(at());
    expect(report.fixtures.map(({ deleted }) => deleted)).toEqual([0, 0]);
  });
});

describe('a table without statistics', () => {
  // In half a minute: row against row took 42 s.
  it('is not verified row against row', { timeout: 30_000 }, async () => {
    await database.query('truncate agents cascade');
    await database.query('alter table agents set (autovacuum_enabled = off)');
    await database.query(`delete from pg_statistic where starelid = 'agents'::regclass`);
    const [fixture] = chooseFixtures({ names: ['04_fleet_10k_agents'] });
    const fixtures = [{ ...fixture!, name: 'many', count: 25_000, frozenFingerprint: undefined }];
    await load({ ...at(), fixtures, settle: false });
    expect((await verify({ ...at(), fixtures })).intact).toBe(true);
  });
});
