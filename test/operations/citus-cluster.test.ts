import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { ci } from '../../src/operations/ci.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { manifest } from '../../src/operations/manifest.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import type { OnEvent } from '../../src/report/events.js';

/**
 * A superuser's URL of a database on the coordinator of a Citus cluster, with two workers or more. The tests make schemas
 * there, and drop them. A worker is reached under the address that the coordinator has of it, with the same user.
 */
const { SCALE_SEED_TEST_CITUS_URL: coordinatorUrl = '' } = process.env;

const PREFIX = `scale_seed_test_${process.pid}`;
const ROLE = `${PREFIX}_role`;
const FLEETS = [1, 2, 3].map((number) => `${PREFIX}_${number}`);
const FIXTURES = [sizedAgents(300), sizedCertificates(600)];

const KEYLESS = defineFixture({
  name: '90_keyless',
  table: 'agents',
  purpose: 'test',
  count: 20,
  columns: { id: 'text', name: 'text', hostname: 'text' },
  constants: { api_key_hash: { type: 'text', value: 'none' } },
  conflictKeys: [['id'], ['name']],
  mark: { column: 'id', prefix: 'keyless-' },
  *rows(first, last) {
    for (let row = first; row <= last; row++) yield [`keyless-${row}`, `name ${row}`, `host${row}`];
  },
});

const DEPENDENT_SQL = readFileSync(new URL('../support/dependent-tables.sql', import.meta.url), 'utf8');
/** A table that Citus distributes has no triggers. */
const WITHOUT_TRIGGERS = DEPENDENT_SQL.slice(0, DEPENDENT_SQL.indexOf('create function'));

describe.skipIf(coordinatorUrl === '')('on a Citus cluster (SCALE_SEED_TEST_CITUS_URL)', () => {
  const urls = { coordinator: coordinatorUrl, worker: '', 'other worker': '' };
  const doors = Object.keys(urls) as (keyof typeof urls)[];
  const through = (door: keyof typeof urls, schemas = FLEETS) => ({
    databaseUrl: urls[door],
    schemas,
    fixtures: FIXTURES,
    createParents: true,
  });
  let own: pg.Client;

  async function query<R extends pg.QueryResultRow>(sql: string): Promise<R[]> {
    return (await own.query<R>(sql)).rows;
  }

  const inEach = async (sql: string, schemas = FLEETS): Promise<void> => {
    for (const schema of schemas) {
      await query(`set search_path = ${schema}`);
      await query(sql);
    }
    await query('reset search_path');
  };

  const makeTables = async (schema: string, distribute: string): Promise<void> => {
    await query(`create schema ${schema}`);
    await inEach(SCHEMA_SQL + WITHOUT_TRIGGERS, [schema]);
    await inEach(distribute, [schema]);
  };

  const dropSchemas = async (): Promise<void> => {
    const schemas = await query<{ nspname: string }>(
      `select nspname from pg_namespace where nspname like '${PREFIX}%'`,
    );
    for (const { nspname } of schemas) await query(`drop schema ${nspname} cascade`);
    for (const url of Object.values(urls)) {
      const node = new pg.Client({ connectionString: url });
      await node.connect();
      await node.query(`revoke set on parameter session_replication_role from ${ROLE}`);
      await node.end();
    }
    await query(`drop role ${ROLE}`);
  };

  /** Lets a role that is no superuser work on a fleet. */
  const asRole = async (door: keyof typeof urls, schema: string, tables: string[]) => {
    await query(`grant usage on schema ${schema} to ${ROLE}`);
    for (const some of tables) await query(`grant select, insert, update, delete on ${some} to ${ROLE}`);
    const url = new URL(urls[door]);
    url.username = ROLE;
    return { ...through(door, [schema]), databaseUrl: url.href, settle: false };
  };

  /** Of what a role may not read, it is told that it may hang on the fleet, unless it is empty. */
  const tellUnread = async (schema: string): Promise<void> => {
    const tables = ['managed_certificates', 'agents', 'teams', 'owners', 'issuers', 'renewal_policies'];
    for (const door of doors) {
      const on = await asRole(
        door,
        schema,
        tables.map((name) => `${schema}.${name}`),
      );
      for (const command of [load, reset, clean, load]) expect((await command(on)).failures).toEqual([]);
      expect((await verify(on)).fixtures.flatMap(({ unread }) => unread)).toEqual([]);
      await query(
        `insert into ${schema}.jobs (id, certificate_id) values ('job', 'cert-loadtest-scale-00000001')`,
      );
      const unread = expect.arrayContaining([`${schema}.jobs`]) as string[];
      expect((await verify(on)).fixtures[1]).toMatchObject({ unread });
      for (const command of [reset, clean])
        for (const dryRun of [true, false])
          await expect(command({ ...on, fixtures: [FIXTURES[1]!], dryRun })).rejects.toMatchObject({
            code: 'privilege',
            message: expect.stringContaining(`${schema}.jobs`) as string,
          });
      await query(`truncate ${schema}.jobs cascade`);
    }
  };

  const waitForEachOther = async (schema: string): Promise<void> => {
    for (const [holder, other] of [
      ['coordinator', 'worker'],
      ['other worker', 'coordinator'],
      ['worker', 'other worker'],
    ] as const) {
      await load(through('coordinator', [schema]));
      const order: string[] = [];
      const [fixtures, schemas] = [[FIXTURES[0]!], [schema]];
      let loading: Promise<unknown> = Promise.resolve();
      const onEvent: OnEvent = (event) => {
        if (event.type === 'notice') order.push(event.message);
      };
      const holding = clean({
        ...through(holder, schemas),
        fixtures,
        confirm: () =>
          new Promise((resolve) => {
            const agree: OnEvent = (event) => {
              onEvent(event);
              if (event.type === 'notice') resolve(true);
            };
            loading = load({ ...through(other, schemas), fixtures, onEvent: agree }).then((report) =>
              order.push(`loaded ${report.fixtures[0]!.inserted}`),
            );
          }),
      }).then((report) => order.push(`deleted ${report.fixtures[0]!.deleted}`));
      await Promise.all([holding, holding.then(() => loading)]);
      expect(order[0]).toMatch(/^another scale-seed is at work on scale_agents: waiting for/);
      expect(order.slice(1).sort()).toEqual(['deleted 300', 'loaded 300']);
    }
  };

  beforeAll(async () => {
    own = new pg.Client({ connectionString: coordinatorUrl, application_name: 'test' });
    await own.connect();
    await query('set client_min_messages = warning');
    const workers = await query<{ host: string; port: number }>(
      'select nodename as host, nodeport as port from pg_dist_node where groupid <> 0 order by nodeport',
    );
    for (const [index, { host, port }] of workers.slice(0, 2).entries()) {
      const url = new URL(coordinatorUrl);
      [url.hostname, url.port] = [host, String(port)];
      urls[doors[index + 1]!] = url.href;
    }
    await query(`create role ${ROLE} login`);
    for (const schema of FLEETS) await makeTables(schema, `select citus_schema_distribute('${schema}')`);
  });

  beforeEach(() => inEach('truncate agents, managed_certificates cascade'));

  afterAll(async () => {
    await dropSchemas();
    await own.end();
  });

  it('fleets are spread over the workers', async () => {
    const nodes = await query(
      `select distinct nodeport from citus_shards where table_name::text like '${PREFIX}%'`,
    );
    expect(nodes).toHaveLength(2);
  });

  describe.each(doors)('every command works through the %s', (door) => {
    it('with the counts that it has on one machine', async () => {
      const foreseen = await load({ ...through(door), dryRun: true });
      expect(foreseen.fixtures.map(({ inserted }) => inserted)).toEqual(Array(3).fill([300, 600]).flat());
      const loaded = await load(through(door));
      expect(loaded.failures).toEqual([]);
      expect(loaded.fixtures.map(({ inserted }) => inserted)).toEqual(Array(3).fill([300, 600]).flat());
      expect((await verify(through(door))).intact).toBe(true);
      expect((await verify({ ...through(door), live: true })).intact).toBe(true);
      const again = await load(through(door));
      expect(again.fixtures.map(({ merge }) => merge)).toEqual(Array(6).fill('none'));
      const { fixtures } = await manifest(through(door));
      expect(fixtures.map(({ standing }) => standing?.map(({ present }) => present))).toEqual([
        [300, 300, 300],
        [600, 600, 600],
      ]);

      await inEach(`delete from agents where id = 'ag-scale-00000007'`);
      const added = await load(through(door));
      expect(added.fixtures.map(({ inserted, skipped }) => [inserted, skipped])).toEqual(
        Array(3)
          .fill([
            [1, 299],
            [0, 600],
          ])
          .flat(),
      );

      const cleaned = await clean({ ...through(door), dryRun: true });
      expect(cleaned.fixtures.map(({ deleted }) => deleted)).toEqual(Array(3).fill([300, 600]).flat());
      const gone = await clean(through(door));
      expect(gone.failures).toEqual([]);
      expect(gone.fixtures.map(({ deleted }) => deleted)).toEqual(Array(3).fill([300, 600]).flat());
    });

    it('where a run has changed the fleet, and left what hangs on it', async () => {
      await load(through(door));
      await inEach(`
        update managed_certificates set status = 'Renewed', expires_at = now() where id < 'cert-loadtest-scale-00000101';
        delete from managed_certificates where id = 'cert-loadtest-scale-00000500';
        update agents set name = 'swapped' where id = 'ag-scale-00000001';
        update agents set name = 'loadtest-scale-agent-00000001' where id = 'ag-scale-00000002';
        update agents set name = 'loadtest-scale-agent-00000002' where id = 'ag-scale-00000001';
        insert into jobs (id, certificate_id) select 'job' || g, 'cert-loadtest-scale-' || lpad(g::text, 8, '0')
          from generate_series(1, 10) as g;
        insert into issuance_approval_requests values ('request', 'cert-loadtest-scale-00000001', 'job1');
        insert into certificate_revocations values ('revocation', 'cert-loadtest-scale-00000002');
        insert into discovery_scans values ('scan', 'ag-scale-00000001')`);
      const drifted = await verify(through(door));
      expect(drifted.fixtures.map(({ driftedRows, hanging }) => [driftedRows, hanging.length])).toEqual(
        Array(3)
          .fill([
            [2, 1],
            [100, 3],
          ])
          .flat(),
      );
      const foreseen = await reset({ ...through(door), dryRun: true });
      const done = await reset(through(door));
      expect(done.failures).toEqual([]);
      for (const { fixtures } of [foreseen, done]) {
        expect(
          fixtures.map(({ restored, inserted, dependents }) => [
            restored,
            inserted,
            dependents.reduce((sum, { rows }) => sum + rows, 0),
          ]),
        ).toEqual(
          Array(3)
            .fill([
              [300, 0, 1],
              [599, 1, 12],
            ])
            .flat(),
        );
      }
      expect((await verify(through(door))).intact).toBe(true);
    });

    it('where what hangs on the fleet goes with it, or forbids that', async () => {
      await load(through(door));
      await inEach(`
        insert into jobs (id, certificate_id, agent_id)
          select 'job' || g, 'cert-loadtest-scale-' || lpad(g::text, 8, '0'), 'ag-scale-00000001' from generate_series(1, 10) as g;
        insert into jobs (id, agent_id) values ('other', 'ag-scale-00000002');
        insert into issuance_approval_requests values ('request', 'cert-loadtest-scale-00000001', 'job1');
        insert into certificate_revocations values ('revocation', 'cert-loadtest-scale-00000002')`);
      const refused = await clean({ ...through(door), fixtures: [FIXTURES[1]!] });
      expect(refused.failures.map(({ code, state }) => [code, state])).toEqual(
        Array(3).fill(['conflict', 'scale_certs: nothing was changed']),
      );
      await inEach('delete from certificate_revocations');
      const done = await clean(through(door));
      expect(done.foreignKeys.check).toBe('set');
      expect(
        done.fixtures.map(({ dependents }) => dependents.map(({ rows, effect }) => [rows, effect])),
      ).toEqual(
        Array(3)
          .fill([
            [[11, 'set null']],
            [
              [1, 'deleted'],
              [10, 'deleted'],
            ],
          ])
          .flat(),
      );
      for (const schema of FLEETS)
        expect(await query(`select id, agent_id from ${schema}.jobs`)).toEqual([
          { id: 'other', agent_id: null },
        ]);
    });

    it('where a row of somebody else’s stands in the way', async () => {
      await inEach(
        `insert into agents (id, name, hostname, api_key_hash) values ('x', 'loadtest-scale-agent-00000008', 'h', 'k')`,
      );
      const report = await load({ ...through(door), fixtures: [sizedAgents(10)] });
      expect(
        report.fixtures.map(({ inserted, blocked, firstBlocked }) => [inserted, blocked, firstBlocked]),
      ).toEqual(Array(3).fill([9, 1, { key: 'ag-scale-00000008', by: 'row x, which has the same name' }]));
    });

    it('for a fixture whose keys do not count', async () => {
      const on = { ...through(door), fixtures: [KEYLESS] };
      expect((await load(on)).fixtures.map(({ inserted }) => inserted)).toEqual([20, 20, 20]);
      await inEach(`
        update agents set hostname = 'other' where id = 'keyless-3';
        delete from agents where id = 'keyless-4';
        insert into jobs (id, agent_id) values ('job', 'keyless-5')`);
      expect((await verify(on)).fixtures.map(({ driftedRows }) => driftedRows)).toEqual([1, 1, 1]);
      const done = await reset(on);
      expect(done.fixtures.map(({ restored, inserted }) => [restored, inserted])).toEqual(
        Array(3).fill([19, 1]),
      );
      expect((await verify(on)).intact).toBe(true);
      expect((await clean(on)).fixtures.map(({ deleted }) => deleted)).toEqual([20, 20, 20]);
    });
  });

  it('two that come through two nodes wait for each other', () => waitForEachOther(FLEETS[0]!));

  it('a worker that loses its connections is named, and the same command completes', async () => {
    const on = { ...through('coordinator', [FLEETS[0]!]), fixtures: [FIXTURES[0]!] };
    const [node] = await query<{ host: string; port: number }>(
      `select nodename as host, nodeport as port from citus_shards where table_name = '${FLEETS[0]!}.agents'::regclass`,
    );
    const url = new URL(coordinatorUrl);
    [url.hostname, url.port] = [node!.host, String(node!.port)];
    const worker = new pg.Client({ connectionString: url.href });
    await worker.connect();
    await inEach(
      `begin; insert into agents (id, name, hostname, api_key_hash) values ('ag-scale-00000300', 'x', 'x', 'x')`,
      [FLEETS[0]!],
    );
    const loading = expect(load(on)).rejects.toMatchObject({
      message: expect.stringContaining(`${node!.host}:${node!.port}`) as string,
      state: 'scale_agents: nothing was changed',
    });
    const cut = `select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    while ((await worker.query(cut)).rowCount === 0);
    await loading;
    await query('rollback');
    await worker.end();
    expect((await load(on)).fixtures.map(({ inserted }) => inserted)).toEqual([300]);
  });

  it('a shard that stays locked on a worker is waited for before the table is vacuumed', async () => {
    const [fleet] = FLEETS;
    const [shard] = await query<{ name: string; host: string; port: number }>(
      `select shard_name as name, nodename as host, nodeport as port from citus_shards where table_name = '${fleet!}.agents'::regclass`,
    );
    const url = new URL(coordinatorUrl);
    [url.hostname, url.port] = [shard!.host, String(shard!.port)];
    const worker = new pg.Client({ connectionString: url.href });
    await worker.connect();
    await worker.query(`set citus.enable_manual_changes_to_shards = on`);
    await worker.query(`begin; lock table ${shard!.name} in share update exclusive mode`);
    const notices: string[] = [];
    const onEvent: OnEvent = (event) => {
      if (event.type !== 'notice') return;
      notices.push(event.message);
      void worker.query('rollback');
    };
    await load({ ...through('coordinator', [fleet!]), fixtures: [FIXTURES[0]!], onEvent });
    await worker.end();
    expect(notices).toEqual([expect.stringContaining('agents waiting for a lock that is held by')]);
  });

  it.each<[string, typeof load | typeof reset | typeof clean, string, string]>([
    [
      'load',
      load,
      'delete from agents',
      `insert into agents (id, name, hostname, api_key_hash) values ('ag-scale-00000300', 'x', 'x', 'x')`,
    ],
    ['reset', reset, 'select', `update agents set hostname = 'x'`],
    ['clean', clean, 'select', `update agents set hostname = 'x'`],
  ])('%s waits for a lock on a worker no longer than for one here', async (_, command, before, hold) => {
    const [fleet] = FLEETS;
    const on = { ...through('coordinator', [fleet!]), fixtures: [FIXTURES[0]!] };
    await load(on);
    await inEach(before, [fleet!]);
    await inEach(`begin; ${hold}`, [fleet!]);
    const url = new URL(coordinatorUrl);
    url.searchParams.set('options', '-clock_timeout=700ms');
    const running = command({ ...on, databaseUrl: url.href, timeoutMs: 10_000 });
    await expect(running.finally(() => query('rollback'))).rejects.toMatchObject({
      code: 'locked',
    });
  });

  it('foreign keys are checked by set where the role may have it on the worker, too', async () => {
    const [fleet] = FLEETS;
    const here = `grant set on parameter session_replication_role to ${ROLE}`;
    await query(here);
    const on = await asRole('coordinator', fleet!, [`all tables in schema ${fleet!}`]);
    expect((await load(on)).foreignKeys).toMatchObject({
      check: 'row',
      reason: expect.stringContaining(
        'on its workers, where session_replication_role does not reach',
      ) as string,
    });
    await clean(on);
    for (const door of ['worker', 'other worker'] as const) {
      const worker = new pg.Client({ connectionString: urls[door] });
      await worker.connect();
      await worker.query(here);
      await worker.end();
    }
    expect((await load(on)).foreignKeys.check).toBe('set');
    expect((await verify(on)).intact).toBe(true);
    await query(`delete from ${fleet!}.managed_certificates`);
    await query(`delete from ${fleet!}.renewal_policies`);
    await expect(load({ ...on, createParents: false })).rejects.toMatchObject({ code: 'parents' });
    expect((await clean(on)).foreignKeys.check).toBe('set');
  });

  it('what hangs on a fleet and may not be read is told', () => tellUnread(FLEETS[1]!));

  it('a load is measured against a reference load that is distributed alike, through the coordinator', async () => {
    const report = await ci({ ...through('coordinator', [FLEETS[0]!]), budgetRatio: 1000 });
    expect(report.verdict.outcome).toBe('pass');
    expect(report.reference?.rounds.length).toBeGreaterThanOrEqual(6);
    const fixtures = [{ ...FIXTURES[0]!, formulas: undefined }];
    await expect(
      ci({ ...through('coordinator', [FLEETS[0]!]), fixtures, budgetRatio: 1000 }),
    ).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('it has no formulas') as string,
      state: 'nothing was changed',
    });
    await expect(ci({ ...through('worker', [FLEETS[0]!]), budgetRatio: 1000 })).rejects.toMatchObject({
      code: 'configuration',
      state: 'nothing was changed',
      hint: "give the coordinator's address, or leave out --budget-ratio and --baseline",
    });
    expect(await query(`select from pg_namespace where nspname like 'scale_seed_ci_%'`)).toEqual([]);
  });

  it('reference tables are loaded, verified, reset and cleaned, but not measured', async () => {
    const schema = `${PREFIX}_reference`;
    const tables = await query<{ name: string }>(
      `select c.relname as name from pg_class as c where c.relnamespace = '${FLEETS[0]!}'::regnamespace
       and c.relkind = 'r' order by c.oid`,
    );
    await makeTables(schema, tables.map(({ name }) => `select create_reference_table('${name}')`).join(';'));
    const on = through('worker', [schema]);
    await expect(ci({ ...through('coordinator', [schema]), budgetRatio: 1000 })).rejects.toMatchObject({
      code: 'configuration',
      state: 'nothing was changed',
    });
    expect((await load(on)).fixtures.map(({ inserted }) => inserted)).toEqual([300, 600]);
    await inEach(`delete from agents where id = 'ag-scale-00000007'`, [schema]);
    expect((await load(on)).fixtures.map(({ inserted }) => inserted)).toEqual([1, 0]);
    await inEach(`update agents set hostname = 'other'`, [schema]);
    expect((await reset(on)).fixtures.map(({ restored }) => restored)).toEqual([300, 600]);
    expect((await verify(on)).intact).toBe(true);
    expect((await clean(on)).fixtures.map(({ deleted }) => deleted)).toEqual([300, 600]);
  });

  it('tables of the coordinator’s that refer to reference tables are worked on through the coordinator alone', async () => {
    const schema = `${PREFIX}_whole`;
    const parents = ['teams', 'owners', 'renewal_policies', 'issuers', 'certificate_profiles'];
    await makeTables(
      schema,
      `alter table agents add column team_id text references teams (id);
       ${parents.map((name) => `select create_reference_table('${name}');`).join('')}`,
    );
    const on = through('coordinator', [schema]);
    const report = await ci({ ...on, budgetRatio: 1000 });
    expect([report.foreignKeys.check, report.verdict.outcome]).toEqual(['set', 'pass']);
    await inEach(
      `update agents set id = 'x' where id = 'ag-scale-00000007';
       insert into jobs (id, certificate_id) values ('job', 'cert-loadtest-scale-00000001')`,
      [schema],
    );
    expect((await load(on)).fixtures).toMatchObject([{ blocked: 1 }, { blocked: 0 }]);
    expect((await verify(on)).fixtures).toMatchObject([{ missing: { rows: 1 } }, { hanging: [{ rows: 1 }] }]);
    await inEach(`delete from agents where id = 'x'`, [schema]);
    expect((await reset(on)).fixtures.map(({ restored }) => restored)).toEqual([299, 600]);
    expect((await verify(on)).intact).toBe(true);
    for (const command of [load, verify, reset, clean, manifest])
      await expect(command(through('worker', [schema]))).rejects.toMatchObject({
        code: 'configuration',
        message: expect.stringContaining('on the coordinator, and this is a worker') as string,
        state: 'nothing was changed',
      });
    expect((await clean(on)).fixtures.map(({ deleted }) => deleted)).toEqual([300, 600]);
  });

  describe('on tables of which Citus spreads the rows', () => {
    const ROWS = [`${PREFIX}_rows`];

    beforeAll(() =>
      makeTables(
        ROWS[0]!,
        `alter table agents drop constraint agents_name_key;
         alter table managed_certificates drop constraint managed_certificates_name_key;
         ${['teams', 'owners', 'renewal_policies', 'issuers', 'certificate_profiles'].map((name) => `select create_reference_table('${name}');`).join('')}
         drop table ${[...DEPENDENT_SQL.matchAll(/create table (\w+)/g)].map(([, name]) => name).join(', ')};
         select create_distributed_table('agents', 'id'), create_distributed_table('managed_certificates', 'id');
         create table jobs (id text, certificate_id text references managed_certificates (id) on delete cascade,
           primary key (certificate_id, id));
         create table issuance_approval_requests (
           certificate_id text references managed_certificates (id) on delete cascade, job_id text, primary key (certificate_id, job_id),
           foreign key (certificate_id, job_id) references jobs (certificate_id, id) on delete cascade);
         create table certificate_revocations (certificate_id text primary key references managed_certificates (id));
         create table discovery_scans (id text, agent_id text references agents (id), primary key (agent_id, id));
         select create_distributed_table(name, 'certificate_id', colocate_with => 'managed_certificates')
           from unnest(array['jobs', 'issuance_approval_requests', 'certificate_revocations']) as name;
         select create_distributed_table('discovery_scans', 'agent_id', colocate_with => 'agents');
         create table audit_events (id text primary key, resource_type text not null, resource_id text not null);
         select create_distributed_table('audit_events', 'id')`,
      ),
    );

    beforeEach(() => inEach('truncate agents, managed_certificates cascade; truncate audit_events', ROWS));

    const hang = `
      insert into jobs (id, certificate_id) select 'job', 'cert-loadtest-scale-' || lpad(g::text, 8, '0')
        from generate_series(1, 100) as g;
      insert into issuance_approval_requests select certificate_id, id from jobs`;

    it.each(doors)('every command works through the %s', async (door) => {
      const on = through(door, ROWS);
      const added = ({ fixtures }: Awaited<ReturnType<typeof load>>) =>
        fixtures.map(({ inserted, skipped, blocked }) => [inserted, skipped, blocked]);
      expect(added(await load({ ...on, dryRun: true }))).toEqual([
        [300, 0, 0],
        [600, 0, 0],
      ]);
      const loaded = await load(on);
      expect(loaded.foreignKeys).toMatchObject({
        check: 'row',
        reason: expect.stringContaining('over several shards') as string,
      });
      expect(added(loaded)).toEqual([
        [300, 0, 0],
        [600, 0, 0],
      ]);
      expect((await load(on)).fixtures.map(({ merge }) => merge)).toEqual(['none', 'none']);
      const { fixtures } = await manifest(on);
      expect(fixtures.map(({ standing }) => standing?.map(({ present }) => present))).toEqual([[300], [600]]);

      await inEach(
        `delete from agents where id = 'ag-scale-00000007';
         delete from managed_certificates where id = 'cert-loadtest-scale-00000500';
         update managed_certificates set status = 'Renewed' where id < 'cert-loadtest-scale-00000101';
         insert into certificate_revocations values ('cert-loadtest-scale-00000101');
         insert into discovery_scans values ('scan', 'ag-scale-00000001');
         insert into audit_events values ('event', 'certificate', 'cert-loadtest-scale-00000001');${hang}`,
        ROWS,
      );
      expect(
        (await verify(on)).fixtures.map(({ missing, driftedRows, hanging }) => [
          missing.rows,
          driftedRows,
          hanging.reduce((sum, { rows }) => sum + rows, 0),
        ]),
      ).toEqual([
        [1, 0, 1],
        [1, 100, 201],
      ]);
      expect((await verify({ ...on, live: true })).fixtures[1]).toMatchObject({
        driftedRows: 0,
        liveRows: 100,
      });
      expect(added(await load({ ...on, dryRun: true }))).toEqual([
        [1, 299, 0],
        [1, 599, 0],
      ]);
      for (const dryRun of [true, false]) {
        const done = await reset({ ...on, dryRun });
        expect(
          done.fixtures.map(({ restored, inserted, dependents, records }) => [
            restored,
            inserted,
            dependents.reduce((sum, { rows }) => sum + rows, 0),
            records.length,
          ]),
        ).toEqual([
          [299, 1, 1, 0],
          [599, 1, 201, 1],
        ]);
      }
      expect((await verify(on)).intact).toBe(true);

      await inEach(
        `insert into certificate_revocations values ('cert-loadtest-scale-00000101');${hang}`,
        ROWS,
      );
      await expect(clean({ ...on, fixtures: [FIXTURES[1]!] })).rejects.toMatchObject({
        code: 'conflict',
        state: 'scale_certs: nothing was changed',
      });
      await inEach('delete from certificate_revocations', ROWS);
      for (const dryRun of [true, false]) {
        const done = await clean({ ...on, dryRun });
        expect(done.fixtures.map(({ deleted, dependents }) => [deleted, dependents])).toEqual([
          [300, []],
          [
            600,
            [
              { table: `${ROWS[0]!}.issuance_approval_requests`, rows: 100, effect: 'deleted' },
              { table: `${ROWS[0]!}.jobs`, rows: 100, effect: 'deleted' },
            ],
          ],
        ]);
      }
      for (const table of ['agents', 'managed_certificates', 'jobs', 'issuance_approval_requests'])
        expect(await query(`select from ${ROWS[0]!}.${table}`)).toEqual([]);
    });

    it('a fixture whose keys do not count, and another row with one of its names', async () => {
      const on = { ...through('worker', ROWS), fixtures: [KEYLESS] };
      await load(on);
      await inEach(
        `update agents set hostname = 'other' where id = 'keyless-3';
         delete from agents where id = 'keyless-4';
         insert into agents (id, name, hostname, api_key_hash) values ('x', 'name 4', 'h', 'k')`,
        ROWS,
      );
      expect((await verify(on)).fixtures).toMatchObject([{ driftedRows: 1, missing: { rows: 1 } }]);
      for (const dryRun of [true, false])
        expect((await load({ ...on, dryRun })).fixtures).toMatchObject([
          { inserted: 1, skipped: 19, blocked: 0 },
        ]);
      expect((await reset(on)).fixtures).toMatchObject([{ restored: 20, inserted: 0 }]);
      expect((await verify(on)).intact).toBe(true);
      expect((await clean(on)).fixtures).toMatchObject([{ deleted: 20 }]);
      expect(await query(`select id from ${ROWS[0]!}.agents`)).toEqual([{ id: 'x' }]);
    });

    it('rows are left out that another session adds meanwhile', async () => {
      await inEach(
        `begin; insert into agents (id, name, hostname, api_key_hash) values ('ag-scale-00000300', 'x', 'x', 'x')`,
        ROWS,
      );
      const loading = load({ ...through('coordinator', ROWS), fixtures: [FIXTURES[0]!] });
      while ((await query('select from citus_lock_waits')).length === 0);
      await query('commit');
      expect((await loading).fixtures).toMatchObject([
        { inserted: 299, skipped: 1, blocked: 0, merge: 'on conflict' },
      ]);
    });

    it('two that come through two nodes wait for each other', () => waitForEachOther(ROWS[0]!));

    it('what hangs on them and may not be read is told', () => tellUnread(ROWS[0]!));

    it('reference tables are reset and cleaned with such tables that refer to them', async () => {
      const schema = `${PREFIX}_mixed`;
      await query(`create schema ${schema}`);
      await inEach(
        `create table agents (like ${FLEETS[0]!}.agents including defaults, primary key (id), unique (name));
         select create_reference_table('agents');
         create table jobs (id text primary key, agent_id text);
         select create_distributed_table('jobs', 'id')`,
        [schema],
      );
      await inEach('alter table jobs add foreign key (agent_id) references agents on delete cascade', [
        schema,
      ]);
      const on = { ...through('worker', [schema]), fixtures: [FIXTURES[0]!], createParents: false };
      await load(on);
      for (const command of [reset, clean]) {
        await inEach(
          `insert into jobs select 'job' || g, 'ag-scale-00000001' from generate_series(1, 50) as g`,
          [schema],
        );
        expect((await command(on)).fixtures).toMatchObject([{ dependents: [{ rows: 50 }] }]);
      }
    });

    it('neither exclusive mode nor a measurement is to be had', async () => {
      const on = through('coordinator', ROWS);
      await expect(load({ ...on, mode: 'exclusive' })).rejects.toMatchObject({ code: 'usage' });
      await expect(ci({ ...on, budgetRatio: 1000 })).rejects.toMatchObject({
        code: 'configuration',
        message: expect.stringContaining('over several shards') as string,
        state: 'nothing was changed',
      });
    });

    it.each([
      ['hostname', 'id, hostname', `'hash'`],
      ['name', 'name', `'hash'`],
      ['id', 'id', `'append'`],
    ])(
      'those that are not spread by the hash of the key are refused: by %s, (%s) being unique, %s',
      async (...row) => {
        const [by, key, how] = row;
        const schema = `${PREFIX}_otherwise`;
        await query(`create schema ${schema}`);
        await inEach(
          `create table agents (like ${FLEETS[0]!}.agents including defaults, primary key (${key}));
         select create_distributed_table('agents', '${by}', ${how})`,
          [schema],
        );
        const on = { ...through('coordinator', [schema]), fixtures: [FIXTURES[0]!] };
        for (const command of [load, verify, reset, clean])
          await expect(command(on)).rejects.toMatchObject({
            code: 'schema',
            table: `${schema}.agents`,
            state: 'nothing was changed',
          });
        await query(`drop schema ${schema} cascade`);
      },
    );
  });
});
