import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { quote } from '../../src/postgres/quote.js';
import { seedParents } from '../../src/postgres/seed-parents.js';
import type { RunEvent } from '../../src/report/events.js';
import { ci } from '../../src/operations/ci.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import type { CiReport, LoadReport, VerifyReport } from '../../src/report/result.js';
import { run, start, type Running } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { differenceSql } from '../support/oracle.js';
import { matchesSchema } from '../support/schema-validator.js';

const database = useDatabase();
const at = (): { databaseUrl: string } => ({ databaseUrl: database.url });
const env = (): Record<string, string> => ({ DATABASE_URL: database.url });
const small = [sizedCertificates(300), sizedAgents(200)];
const ended = () => ({
  ...at(),
  schemas: ['in_time', 'late'],
  fixtures: small,
  settle: false,
  timeoutMs: 3_000,
});
const SMALL = ['--certs', '400', '--agents', '200'];

async function makeSchema(name: string): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`create schema ${quote(name)}; set search_path = ${quote(name)}`);
  await client.query(SCHEMA_SQL);
  await seedParents(client, name);
  await client.end();
}

const counts = async (schema: string): Promise<unknown> =>
  database.value(
    `select concat_ws(' ', (select count(*) from ${quote(schema, 'managed_certificates')}),
       (select count(*) from ${quote(schema, 'agents')}))`,
  );

beforeAll(async () => {
  for (const name of ['f_01', 'f_02', 'f_03', 'f_04', 'A."b*', 'orphans', 'flottÄ', 'flottä'])
    await makeSchema(name);
  await database.query(`create schema empty; delete from orphans.owners`);
});

/** How many rows a report says of each fixture, schema by schema. */
function perSchema<Row extends { schema: string }>(
  rows: readonly Row[],
  of: (row: Row) => unknown,
): Record<string, unknown[]> {
  const schemas = [...new Set(rows.map(({ schema }) => schema))];
  return Object.fromEntries(
    schemas.map((schema) => [schema, rows.filter((row) => row.schema === schema).map(of)]),
  );
}

/** verify, clean and manifest load nothing, and have nothing to be forced past. */
const isTaken =
  ([command]: readonly string[]) =>
  (option: string): boolean =>
    option !== '--force' || !['verify', 'clean', 'manifest'].includes(command ?? '');

describe('several schemas', () => {
  it('get the same rows each, in one report', async () => {
    const schemas = ['f_01', 'f_02', 'f_03'];
    const report = await load({ ...at(), schemas, fixtures: small, jobs: 2, verify: true });
    expect(report).toMatchObject({ version: 1, command: 'load', jobs: 2, failures: [] });
    expect(report.verified?.intact).toBe(true);
    expect(perSchema(report.fixtures, ({ inserted }) => inserted)).toEqual({
      f_01: [300, 200],
      f_02: [300, 200],
      f_03: [300, 200],
    });
    for (const schema of schemas) {
      await database.query(`set search_path = ${quote(schema)}`);
      for (const { name, count } of small) {
        expect(await database.query(differenceSql(name, count), [report.anchor])).toEqual([]);
      }
      await database.query('reset search_path');
    }
    expect(await counts('public')).toBe('0 0');
    const again = await load({ ...at(), schemas, fixtures: small });
    expect(again.fixtures.map(({ merge }) => merge)).toEqual(Array<string>(6).fill('none'));
  });

  it('are verified, reset and cleaned', async () => {
    const options = { ...at(), schemas: ['f_01', 'f_02'], fixtures: small, jobs: 2 };
    await database.query(`update f_02.agents set status = 'Offline' where id = 'ag-scale-00000001'`);
    const verified = await verify(options);
    expect(perSchema(verified.fixtures, ({ intact }) => intact)).toEqual({
      f_01: [true, true],
      f_02: [true, false],
    });
    const all = { f_01: [300, 200], f_02: [300, 200] };
    expect(perSchema((await reset(options)).fixtures, ({ restored }) => restored)).toEqual(all);
    const asked: string[] = [];
    const cleaned = await clean({
      ...options,
      confirm: (plan) => Promise.resolve(asked.push(`${plan.schema}.${plan.table}`) > 0),
    });
    expect(asked).toEqual(
      ['f_01', 'f_02'].flatMap((schema) => [`${schema}.managed_certificates`, `${schema}.agents`]),
    );
    expect(perSchema(cleaned.fixtures, ({ deleted }) => deleted)).toEqual(all);
    expect(await counts('f_03')).toBe('300 200');
  });

  it('are at work on as many sessions as there are jobs', async () => {
    const schemas = ['f_01', 'f_02', 'f_03', 'f_04'];
    const atWork = new Set<string>();
    const counted: number[] = [];
    const writer = await database.client();
    // None ends before two are at work.
    await writer.query('begin; lock table f_01.agents, f_02.agents in share mode');
    const loading = load({
      ...at(),
      schemas,
      jobs: 2,
      fixtures: small,
      onEvent: (event) => {
        if (event.type === 'phase') counted.push(atWork.add(`${event.schema!} ${event.fixture}`).size);
        if (event.type === 'done') atWork.delete(`${event.schema!} ${event.fixture}`);
      },
    });
    await database.untilSession(`wait_event_type = 'Lock'`, 2);
    await writer.query('commit');
    expect((await loading).fixtures).toHaveLength(8);
    expect(Math.max(...counted)).toBe(2);
  });

  it.each([0, -1, 1.5, NaN])('cannot be loaded on %s sessions', async (jobs) => {
    await expect(load({ ...at(), schemas: ['f_01'], jobs, fixtures: small })).rejects.toMatchObject({
      code: 'usage',
    });
  });

  it('do not stop each other when one fails', async () => {
    const events: RunEvent[] = [];
    const schemas = ['empty', 'f_04', 'orphans', 'f_01'];
    const fixtures = [sizedCertificates(400), sizedAgents(200)];
    const report = await load({
      ...at(),
      schemas,
      jobs: 1,
      fixtures,
      onEvent: (event) => events.push(event),
    });
    expect(perSchema(report.fixtures, ({ inserted }) => inserted)).toEqual({
      f_04: [100, 0],
      f_01: [100, 0],
    });
    expect(report.failures).toMatchObject([
      {
        schema: 'empty',
        code: 'schema',
        message: 'there is no table managed_certificates in schema empty',
        state: 'nothing was changed',
      },
      { schema: 'orphans', code: 'parents', message: 'parent rows are missing: owners o-carol' },
    ]);
    expect(matchesSchema(JSON.parse(JSON.stringify(report))), JSON.stringify(matchesSchema.errors)).toBe(
      true,
    );
    const told = events.flatMap((event) =>
      event.type === 'notice' ? event.message : event.type === 'confirmation' ? event.line : [],
    );
    expect(told).toEqual([
      'empty: failed (1 of 4)',
      'orphans: failed (2 of 4)',
      'f_04: done (3 of 4)',
      'f_01: done (4 of 4)',
      'f_04: scale_certs: 400 managed_certificates rows present',
      'f_04: scale_agents: 200 agents rows present',
      'f_01: scale_certs: 400 managed_certificates rows present',
      'f_01: scale_agents: 200 agents rows present',
    ]);
  });

  it('say once whose parent rows would be created', async () => {
    const notices: string[] = [];
    await load({
      ...at(),
      schemas: ['f_01', 'orphans'],
      fixtures: small,
      createParents: true,
      dryRun: true,
      onEvent: (event) => event.type === 'notice' && notices.push(event.message),
    });
    expect(notices).toContain('orphans: would create 1 parent rows; what may keep them out is not foreseen');
  });

  it('tell what stands of each fixture where one of a schema fails', async () => {
    for (const name of ['whole', 'no_mac']) await makeSchema(name);
    await database.query(`alter table no_mac.agents add check (os <> 'darwin')`);
    const { failures } = await load({
      ...at(),
      schemas: ['whole', 'no_mac'],
      fixtures: small,
    });
    expect(failures).toMatchObject([
      {
        schema: 'no_mac',
        fixture: 'scale_agents',
        state: 'scale_certs: done and committed; scale_agents: nothing was changed',
      },
    ]);
  });

  it('keep what failed in their report where a run is ended, with what stands', async () => {
    for (const name of ['quick', 'slow']) await makeSchema(name);
    const other = await database.client();
    await other.query('begin; lock table slow.agents in share row exclusive mode');
    const ending = new AbortController();
    const loading = load({ ...at(), schemas: ['quick', 'slow'], fixtures: small, signal: ending.signal });
    await database.untilSession(`wait_event_type = 'Lock'`);
    await database.until(
      `select count(*) = 800 from (select from quick.managed_certificates union all select from quick.agents
         union all select from slow.managed_certificates) as done`,
    );
    ending.abort();
    const { fixtures, failures } = await loading;
    await other.query('rollback');
    expect(perSchema(fixtures, ({ present }) => present)).toEqual({ quick: [300, 200], slow: [300] });
    expect(failures).toMatchObject([
      {
        schema: 'slow',
        code: 'interrupted',
        state:
          'scale_certs: done and committed, but not vacuumed and analyzed; scale_agents: nothing was changed',
      },
      {
        schema: null,
        code: 'interrupted',
        phase: 'settle',
        state: 'what was done is committed, but the tables are not vacuumed and analyzed',
      },
    ]);
    expect([await counts('quick'), await counts('slow')]).toEqual(['300 200', '300 0']);
  });

  it('say what of a load stands where its verification fails', async () => {
    for (const name of ['seen', 'unseen']) await makeSchema(name);
    await database.query('create table unseen.tasks (agent_id text references unseen.agents)');
    const other = await database.client();
    await other.query('begin; lock table unseen.tasks in access exclusive mode');
    const fixtures = [sizedAgents(200)];
    const schemas = ['seen', 'unseen', 'empty'];
    const options = { ...at(), schemas, fixtures, verify: true, settle: false, timeoutMs: 3_000 };
    const { failures } = await load(options);
    await other.query('rollback');
    expect(failures).toMatchObject([
      { schema: 'empty', code: 'schema' },
      { schema: 'unseen', code: 'timeout', phase: 'verify', state: 'everything is loaded and committed' },
    ]);
  });

  it.each<[string, () => Promise<LoadReport | CiReport>]>([
    ['load with verify', () => load({ ...ended(), verify: true })],
    ['ci', () => ci({ ...ended(), budgetMs: 60_000 })],
  ])('are told of by %s where the time runs out in the load of one', async (_, operation) => {
    for (const name of ['in_time', 'late']) {
      await database.query(`drop schema if exists ${name} cascade`);
      await makeSchema(name);
    }
    const other = await database.client();
    await other.query('begin; lock table late.agents in share row exclusive mode');
    const report = await operation();
    await other.query('rollback');
    expect(matchesSchema(JSON.parse(JSON.stringify(report))), JSON.stringify(matchesSchema.errors)).toBe(
      true,
    );
    expect(perSchema(report.fixtures, ({ present }) => present)).toEqual({
      in_time: [300, 200],
      late: [300],
    });
    const late = 'the time limit of 3000 ms has run out';
    const loading = { schema: 'late', phase: 'copy', message: `fixture scale_agents, copy: ${late}` };
    const checked = { code: 'timeout', phase: 'verify', message: late };
    const verification = [
      { ...checked, schema: 'in_time', state: 'everything is loaded and committed' },
      {
        ...checked,
        schema: 'late',
        state: `what could be loaded is committed; late: ${loading.message}`,
      },
    ];
    expect(report.failures).toMatchObject([loading, ...verification]);
    expect(report.verified).toMatchObject({ intact: false, fixtures: [], failures: verification });
    if (report.command !== 'ci') return;
    expect(report.verdict).toMatchObject({
      outcome: 'failed',
      checks: [
        { reason: 'what failed to load was not verified; the verification of in_time failed' },
        { outcome: 'skipped', reason: 'what was loaded is not the fleet: 1 schema failed' },
      ],
    });
  });

  it('keep what was created in one while another was waited for', async () => {
    await makeSchema('orphaned');
    await database.query('delete from orphaned.owners');
    const waiting = { waitMs: 60_000, timeoutMs: 2_000, createParents: true, verify: true };
    const fixtures = [sizedCertificates(300)];
    const { failures } = await load({ ...at(), schemas: ['orphaned', 'empty'], fixtures, ...waiting });
    const state = 'scale_certs: nothing was changed, except that 1 parent row was created';
    expect(failures).toMatchObject([
      { schema: 'orphaned', code: 'timeout', state },
      { schema: 'empty', code: 'timeout', state: 'nothing was changed' },
      { schema: 'orphaned', phase: 'verify', state },
      { schema: 'empty', phase: 'verify', state: 'nothing was changed' },
    ]);
  });

  it('are verified as they were loaded, though the pattern means others by then', async () => {
    for (const name of ['born_1', 'born_2']) await makeSchema(name);
    const other = await database.client();
    await other.query('begin; lock table born_1.agents in share row exclusive mode');
    const [schemas, fixtures] = [['born_*'], [sizedAgents(200)]];
    const loading = load({ ...at(), schemas, fixtures, verify: true, settle: false });
    await database.untilSession(`wait_event_type = 'Lock'`);
    await database.until('select count(*) = 200 from born_2.agents');
    await database.query('drop schema born_2 cascade; create schema born_3');
    await other.query('commit');
    const { failures, verified } = await loading;
    expect(failures).toMatchObject([{ schema: 'born_2', code: 'schema' }]);
    expect(verified).toMatchObject({
      intact: false,
      failures,
      fixtures: [{ schema: 'born_1', intact: true }],
    });
    await database.query('drop schema born_3');
  });

  it('are not named where the tables of all were to be settled', async () => {
    await makeSchema('settled');
    const other = await database.client();
    await other.query('begin; lock table settled.agents in share row exclusive mode');
    const schemas = ['--schema', 'settled', '--schema', 'f_01'];
    const { stderr } = await run(['load', ...SMALL, ...schemas, '--timeout', '3s', '--quiet'], env());
    await other.query('rollback');
    expect(stderr).toContain(
      'scale-seed: the time limit of 3000 ms has run out\n  now: what was done is committed, but',
    );
  });

  it.each([reset, clean, verify])('are told of once each: %o', async (operation) => {
    const ended: (string | undefined)[] = [];
    const onEvent = (event: RunEvent): void => {
      if (event.type === 'end') ended.push(event.schema);
    };
    const schemas = ['empty', 'f_04'];
    await operation({ ...at(), schemas, fixtures: [sizedAgents(200)], onEvent });
    expect(ended.sort()).toEqual(schemas);
  });

  it('are one fleet where its two tables lie in two of the search_path', async () => {
    await database.query(`create schema agents;
      create table agents.agents (like f_01.agents including all)`);
    const path = encodeURIComponent('-c search_path=agents,f_03');
    const { code, stdout, stderr } = await run(
      ['load', ...SMALL, '--database-url', `${database.url}?options=${path}`, '--no-progress'],
      env(),
    );
    expect(code).toBe(0);
    expect(stderr.split('\n')).toEqual(
      expect.arrayContaining([
        'scale_certs: 400 managed_certificates rows present',
        'scale_agents: 200 agents rows present',
      ]),
    );
    expect(stdout).not.toContain('f_03: ');
    await database.query('drop schema agents cascade');
  });

  it('all fail at once where there is no server, or no schema', async () => {
    await expect(
      load({ databaseUrl: 'postgresql://u@127.0.0.1:1/d', schemas: ['a', 'b'] }),
    ).rejects.toMatchObject({ code: 'connect' });
    await expect(load({ ...at(), schemas: [] })).rejects.toMatchObject({ code: 'usage' });
    await expect(load({ ...at(), schemas: ['f_01', 'nope', 'nor_*'] })).rejects.toMatchObject({
      code: 'schema',
      message: 'there is no schema nope, nor_*',
      state: 'nothing was changed',
    });
  });
});

describe('a pattern of schemas', () => {
  // As pg_dump -n takes it.
  it.each([
    ['f_01', ['f_01']],
    ['F_01', ['f_01']],
    ['f_*', ['f_01', 'f_02', 'f_03', 'f_04']],
    ['f_0?', ['f_01', 'f_02', 'f_03', 'f_04']],
    ['f_0[13]', ['f_01', 'f_03']],
    ['f_01|f_04', ['f_01', 'f_04']],
    ['f_"0"1', ['f_01']],
    ['"A.""b*"', ['A."b*']],
    ['orphan+s', ['orphans']],
    // Letters that the server does not fold.
    ['flottÄ', ['flottÄ']],
    ['FLOTTä', ['flottä']],
    ['FLOTT?', ['flottÄ', 'flottä']],
  ])('%s', async (pattern, expected) => {
    const { fixtures, failures } = await verify({ ...at(), schemas: [pattern], fixtures: [sizedAgents(0)] });
    expect(failures).toEqual([]);
    expect(fixtures.map(({ schema }) => schema)).toEqual(expected);
  });

  it.each(['"f_01', '', 'certctl.f_01', '""', 'f{1', 'fleet_['])('is refused: %s', async (pattern) => {
    await expect(verify({ ...at(), schemas: [pattern] })).rejects.toMatchObject({ code: 'usage' });
  });

  it('never means the system’s own schemas', async () => {
    const { failures } = await verify({ ...at(), schemas: ['*'], fixtures: [sizedAgents(0)] });
    expect(failures.map(({ schema }) => schema)).toEqual(['empty']);
  });
});

describe('--schema, repeated', () => {
  it('prints one report, and says whose each confirmation is', async () => {
    const args = ['load', ...SMALL, '--schema', 'f_0*', '--schema', 'f_01', '--format', 'json'];
    const outcome = await run(args, env());
    expect(outcome.code).toBe(0);
    for (const schema of ['f_01', 'f_02', 'f_03', 'f_04']) {
      expect(outcome.stderr).toContain(`${schema}: scale_certs: 400 managed_certificates rows present\n`);
      expect(outcome.stderr).toContain(`${schema}: scale_agents: 200 agents rows present\n`);
    }
    const report = JSON.parse(outcome.stdout) as LoadReport;
    expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(Object.keys(perSchema(report.fixtures, () => undefined))).toEqual([
      'f_01',
      'f_02',
      'f_03',
      'f_04',
    ]);
  });

  it('prints one table, drift and failures under it, and exits by the worst', async () => {
    await database.query(`update f_02.agents set version = '9' where id = 'ag-scale-00000007'`);
    const schemas = ['--schema', 'f_01', '--schema', 'f_02', '--quiet'];
    const drifted = await run(['verify', ...SMALL, ...schemas], env());
    expect(drifted).toMatchObject({ code: 4, stderr: '' });
    expect(drifted.stdout).toMatch(
      /^Drifted: f_02: scale_agents\n\nschema +fixture +table +rows +missing +drifted/,
    );
    expect(drifted.stdout).toMatch(/^f_01 +scale_agents +agents +200 +0 +0 /m);
    expect(drifted.stdout).toMatch(/^f_02 +scale_agents +agents +200 +0 +1 /m);
    expect(drifted.stdout).toContain(
      'f_02: scale_agents: version drifted in 1 row: ag-scale-00000007 has "9", not "2.1.0"\n',
    );
    const args = ['verify', ...SMALL, '--schema', 'empty', '--schema', 'f_02', '--quiet'];
    const failed = await run([...args, '--format', 'markdown'], env());
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain('### Drifted: f_02: scale_agents; Not verified: empty\n');
    expect(failed.stdout).toContain('- empty: there is no table agents in schema empty; now: ');
    expect(failed.stderr).toMatch(
      /^scale-seed: empty: there is no table agents in schema empty\n {2}now: nothing was changed\n {2}try: /,
    );
    const load = await run(['load', '--verify', ...SMALL, ...schemas], env());
    expect(load.code).toBe(4);
  });

  it('exits 2 where every schema is refused, and says so once', async () => {
    const sql = (schema: string): string => `insert into ${schema}.agents (id, name, hostname, api_key_hash)
      select 'real-' || g, 'real-' || g, 'h', 'x' from generate_series(1, 101) as g`;
    const args = ['load', ...SMALL, '--schema', 'f_0[34]', '--quiet'];
    await database.query(sql('f_03'));
    expect((await run(args, env())).code).toBe(1);
    await database.query(sql('f_04'));
    const both = await run(args, env());
    expect(both.code).toBe(2);
    expect(both.stderr.match(/this looks like a real fleet/g)).toHaveLength(2);
    expect((await run([...args, '--force'], env())).code).toBe(0);
  });

  it('is judged by ci as one fleet', async () => {
    const args = ['ci', '--agents', '200', '--schema', 'f_01', '--schema', 'f_03', '--budget', '1m'];
    const outcome = await run([...args, '--force', '--format', 'json'], env());
    expect(outcome.code).toBe(0);
    const { fixtures, verified } = JSON.parse(outcome.stdout) as LoadReport & { verified: VerifyReport };
    expect(fixtures.map(({ schema }) => schema)).toEqual(['f_01', 'f_03']);
    expect(verified.fixtures.map(({ schema }) => schema)).toEqual(['f_01', 'f_03']);
  });

  describe('of which one cannot be worked on', () => {
    const schemas = [...SMALL, '--schema', 'f_01', '--schema', 'empty'];

    it.each([
      ['load', ['load']],
      ['load --verify', ['load', '--verify']],
      ['verify', ['verify']],
      ['ci', ['ci']],
      ['reset', ['reset', '--yes']],
      ['clean', ['clean', '--yes']],
      ['manifest', ['manifest']],
    ])('is no success of %s', async (_, args) => {
      const { code, stdout, stderr } = await run(
        [...args, ...schemas, '--force'].filter(isTaken(args)),
        env(),
      );
      expect(code).toBe(1);
      expect(stderr).toContain('scale-seed: empty: there is no table ');
      expect(stderr.match(/there is no table/g)).toHaveLength(1);
      expect(stdout).not.toMatch(/^(### )?(Passed|Verified)/m);
    });

    it('is told of by ci in every form', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'scale-seed-ci-'));
      const files = ['summary', 'junit', 'output'].map((option) => join(folder, option));
      const options = ['--summary', files[0]!, '--junit', files[1]!, '--output', files[2]!];
      const { stderr } = await run(['ci', ...schemas, ...options], { ...env(), GITHUB_ACTIONS: 'true' });
      const [summary = '', junit, json = ''] = await Promise.all(files.map((file) => readFile(file, 'utf8')));
      expect(stderr).toMatch(/^::error title=scale-seed ci%3A failed::empty: there is no table/m);
      expect(stderr).toContain('f_01: scale_agents: 200 agents rows present\n');
      expect(summary).toMatch(/^### Failed: empty$/m);
      expect(junit).toContain('errors="1"');
      expect(junit).toContain('<testcase classname="scale-seed.load" name="f_01: scale_agents"');
      const report = JSON.parse(json) as CiReport;
      expect(report).toMatchObject({ verdict: { outcome: 'failed' }, verified: { intact: false } });
      expect(report.failures).toHaveLength(1);
      expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    });
  });

  it.each([
    [
      'interrupted',
      130,
      (loading: Running) => {
        loading.kill('SIGINT');
      },
    ],
    ['out of time', 1, () => undefined],
  ] as const)('fails where the verification of one is %s', async (_, wanted, stop) => {
    const other = await database.client();
    await database.query(
      'create table if not exists f_02.versions (of text references f_02.managed_certificates)',
    );
    await other.query('begin; lock table f_02.versions in access exclusive mode');
    const args = ['load', '--verify', '--schema', 'f_0[12]', ...SMALL, '--format', 'json'];
    const limit = wanted === 1 ? ['--timeout', '3s'] : [];
    const loading = start([...args, ...limit], env());
    await database.untilSession(`wait_event_type = 'Lock'`);
    stop(loading);
    const { code, stdout, stderr } = await loading.outcome;
    await other.query('rollback');
    expect(code).toBe(wanted);
    expect(stderr).toMatch(/^scale-seed: f_02: /m);
    const report = JSON.parse(stdout) as LoadReport;
    expect(report.verified?.intact).toBe(false);
    expect(report.failures.map(({ schema }) => schema)).toContain('f_02');
  });

  it('has a baseline for any number of them', async () => {
    const options = { ...at(), fixtures: [sizedAgents(500)], force: true };
    const baseline = await ci({ ...options, schemas: ['f_0[12]'] });
    for (const pattern of ['f_0[12]', 'f_01']) {
      const judged = await ci({ ...options, schemas: [pattern], baseline, maxRegressionPercent: 1000 });
      expect(judged.verdict.outcome).toBe('pass');
      expect(judged.verdict.checks.map(({ name }) => name)).toEqual(['verify', 'max-regression']);
    }
  });

  it('is interrupted as a whole, and tells what stands where', async () => {
    const args = ['load', '--certs', '300000', '--schema', 'f_0[123]', '--jobs', '2', '--force'];
    const loading = start([...args, '--format', 'json'], env());
    await database.untilSession(`query like '%insert into %' and state = 'active'`);
    loading.kill('SIGTERM');
    const { code, stdout, stderr } = await loading.outcome;
    expect(code).toBe(143);
    const { failures } = JSON.parse(stdout) as LoadReport;
    expect(failures.map((failure) => failure.code)).toEqual(Array<string>(3).fill('interrupted'));
    expect(failures[2]?.state).toBe('scale_certs: nothing was changed');
    expect(stderr).toMatch(/f_03: .*interrupted\n {2}now: scale_certs: nothing was changed\n/);
    for (const schema of ['f_01', 'f_02', 'f_03']) {
      expect(
        await database.value(
          `select count(*) from ${schema}.managed_certificates where id like 'cert-loadtest-scale-%'`,
        ),
      ).toMatch(/^(0|300|400)$/);
    }
  });

  it('is interrupted while the tables of all are vacuumed, which is no schema’s own failure', async () => {
    const other = await database.client();
    await other.query('begin; lock table f_01.agents in share update exclusive mode');
    const args = ['load', '--agents', '900', '--schema', 'f_0[12]', '--force'];
    const loading = start(args, env());
    await database.untilSession(`query like 'vacuum%'`);
    loading.kill('SIGTERM');
    const { code, stderr } = await loading.outcome;
    await other.query('rollback');
    expect(code).toBe(143);
    expect(stderr).toMatch(/^scale-seed: interrupted\n {2}now: what was done is committed, but the tables/m);
  });

  it('needs no more memory for more schemas', async () => {
    const peakOf = async (schemas: string): Promise<number> => {
      const args = ['reset', '01_bulk_renewal_certs', '--schema', schemas, '--jobs', '2', '--no-settle'];
      const { stdout } = await run([...args, '--force', '--format', 'json'], env());
      return (JSON.parse(stdout) as { peakRssBytes: number }).peakRssBytes;
    };
    for (let n = 10; n < 16; n++) await makeSchema(`f_${n}`);
    const [few, many] = [await peakOf('f_0[12]'), await peakOf('f_1?')];
    expect(many).toBeLessThan(150 * 1024 * 1024);
    expect(few).toBeGreaterThan(0.7 * many);
  });
});
