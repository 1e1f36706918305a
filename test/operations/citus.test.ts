import { beforeAll, describe, expect, it } from 'vitest';
import { clean } from '../../src/operations/clean.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { differenceSql } from '../support/oracle.js';

// There is no Citus here. What is sent to it is sent to PostgreSQL instead, and its catalogue has a stand-in.
const database = useDatabase();
const at = (): { databaseUrl: string } => ({ databaseUrl: database.url });
let asRole: { databaseUrl: string; settle: boolean };

beforeAll(async () => {
  await database.query('set allow_system_table_mods = on');
  await database.query(
    `create table pg_catalog.pg_dist_partition (
       logicalrelid regclass not null, partmethod "char" not null, partkey text, colocationid integer not null,
       repmodel "char" not null, autoconverted boolean not null)`,
  );
  await database.query(
    `create function pg_catalog.column_to_column_name(regclass, text) returns text language sql as 'select null'`,
  );
  await database.query(
    `insert into pg_dist_partition select name::regclass, 'n', null, 7, 's', false
     from unnest(array['agents', 'managed_certificates']) as name`,
  );
  // One that may not set session_replication_role.
  const role = await database.role();
  await database.query(`grant select, insert on all tables in schema public to ${role}`);
  await database.query(`grant select on pg_dist_partition to ${role}`);
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'pw'];
  asRole = { databaseUrl: url.href, settle: false };
});

const onWorkers = (table: string) => ({
  check: 'row',
  reason: `Citus keeps ${table} on its workers, where session_replication_role does not reach`,
});

describe('on tables in Citus’ catalogue a load', () => {
  it('makes the same rows by row, and says why', async () => {
    const report = await load(asRole);
    expect(report.fixtures.map(({ inserted, merge, foreignKeys }) => [inserted, merge, foreignKeys])).toEqual(
      [
        [10_000, 'insert', onWorkers('managed_certificates')],
        [5_000, 'insert', onWorkers('agents')],
      ],
    );
    expect(report.foreignKeys.check).toBe('row');
    for (const { name } of report.fixtures) {
      expect(await database.query(differenceSql(name), [report.anchor])).toEqual([]);
    }
  });

  it('counts the rows that it adds among those that stand', async () => {
    await database.query(`delete from agents where id between 'ag-loadtest-00001' and 'ag-loadtest-00003'`);
    const report = await load(asRole);
    expect(report.fixtures.map(({ inserted, skipped }) => [inserted, skipped])).toEqual([
      [0, 10_000],
      [3, 4997],
    ]);
  });

  it('lets the foreign keys of the tables refuse a row without a parent', async () => {
    await database.query(`delete from owners where id = 'o-carol'`);
    const orphans = { ...sizedCertificates(10), parents: [] };
    await expect(load({ ...asRole, fixtures: [orphans] })).rejects.toMatchObject({
      code: 'parents',
      message: expect.stringContaining('violates foreign key constraint') as string,
    });
  });

  it('locks no table: exclusive mode is refused', async () => {
    const { code, stdout, stderr } = await run(['load', '--agents', '10', '--mode', 'exclusive'], {
      DATABASE_URL: database.url,
    });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(
      `scale-seed: exclusive mode is not for public.agents: Citus keeps it on its workers
  now: scale_agents: nothing was changed
  try: load with --mode online
`,
    );
  });

  it('goes by set where the worker lets the role do it', async () => {
    const report = await load({
      ...at(),
      fixtures: [sizedAgents(20), sizedCertificates(10)],
      createParents: true,
    });
    expect(report.fixtures.map(({ merge }) => merge)).toEqual(['insert', 'insert']);
    const may = Number(await database.value('show server_version_num')) >= 150_000;
    expect(report.foreignKeys.check).toBe(may ? 'set' : 'row');
  });

  it('is verified, reset and cleaned', async () => {
    const agents = { ...at(), fixtures: [sizedAgents(20)] };
    await database.query(`update agents set status = 'Offline' where id = 'ag-scale-00000003'`);
    expect((await verify(agents)).fixtures[0]?.driftedRows).toBe(1);
    expect((await reset(agents)).fixtures[0]?.restored).toBe(20);
    expect((await verify(agents)).intact).toBe(true);
    expect((await clean(agents)).fixtures[0]?.deleted).toBe(20);
  });

  it('is refused on a worker where the coordinator keeps them, as every command is', async () => {
    await database.query('create table pg_catalog.pg_dist_local_group (groupid integer not null)');
    await database.query('insert into pg_dist_local_group values (1)');
    await database.query('update pg_dist_partition set colocationid = 0');
    for (const command of ['load', 'verify', 'reset', 'clean', 'manifest', 'ci']) {
      const { code, stdout, stderr } = await run([command, '--agents', '10'], { DATABASE_URL: database.url });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toBe(`scale-seed: Citus keeps public.agents on the coordinator, and this is a worker
  now: nothing was changed
  try: give the coordinator's address
`);
    }
  });
});
