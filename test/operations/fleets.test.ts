import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { SCHEMA_SQL } from '../../src/embedded/schema.js';
import { quote } from '../../src/postgres/quote.js';
import { seedParents } from '../../src/run/with-database.js';
import type { RunEvent } from '../../src/report/events.js';
import { cleanFleets, loadFleets, resetFleets, verifyFleets } from '../../src/operations/fleets.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import type { FleetsReport, LoadReport } from '../../src/report/result.js';
import { run, start } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { differenceSql } from '../support/oracle.js';
import { matchesSchema } from '../support/schema-validator.js';

const database = useDatabase();
const at = (): { databaseUrl: string } => ({ databaseUrl: database.url });
const env = (): Record<string, string> => ({ DATABASE_URL: database.url });
const small = [sizedCertificates(300), sizedAgents(200)];

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
  for (const name of ['f_01', 'f_02', 'f_03', 'f_04', 'a,"b{1..2}', 'orphans']) await makeSchema(name);
  await database.query(`create schema empty; delete from orphans.owners`);
});

describe('many fleets', () => {
  it('get the same rows each, and are reported each', async () => {
    const schemas = ['f_01', 'f_02', 'f_03'];
    const result = await loadFleets({ ...at(), schemas, jobs: 2, verify: true });
    expect(result).toMatchObject({ version: 1, command: 'load', jobs: 2 });
    expect(result.fleets.map(({ schema }) => schema)).toEqual(schemas);
    for (const { schema, report } of result.fleets) {
      expect(report).toMatchObject({ jobs: 1, verified: { intact: true } });
      expect(report?.fixtures.map((fixture) => [fixture.schema, fixture.inserted])).toEqual([
        [schema, 10_000],
        [schema, 5_000],
      ]);
      await database.query(`set search_path = ${quote(schema)}`);
      for (const { name } of report?.fixtures ?? []) {
        expect(await database.query(differenceSql(name), [report?.anchor])).toEqual([]);
      }
      await database.query('reset search_path');
    }
    expect(await counts('public')).toBe('0 0');
    const again = await loadFleets({ ...at(), schemas });
    expect(again.fleets.flatMap(({ report }) => report?.fixtures.map(({ merge }) => merge))).toEqual(
      Array<string>(6).fill('none'),
    );
  });

  it('are verified, reset and cleaned', async () => {
    const options = { ...at(), schemas: ['f_01', 'f_02'], jobs: 2 };
    await database.query(`update f_02.agents set status = 'Offline' where id = 'ag-loadtest-00001'`);
    const verified = await verifyFleets(options);
    expect(verified.fleets.map(({ report }) => report?.intact)).toEqual([true, false]);
    const reset = await resetFleets(options);
    expect(reset.fleets.map(({ report }) => report?.fixtures.map(({ restored }) => restored))).toEqual([
      [10_000, 5_000],
      [10_000, 5_000],
    ]);
    const asked: string[] = [];
    const cleaned = await cleanFleets({
      ...options,
      confirm: (plan) => Promise.resolve(asked.push(`${plan.schema}.${plan.table}`) > 0),
    });
    expect(asked).toEqual(
      ['f_01', 'f_02'].flatMap((schema) => [`${schema}.managed_certificates`, `${schema}.agents`]),
    );
    expect(cleaned.fleets.map(({ report }) => report?.fixtures.map(({ deleted }) => deleted))).toEqual([
      [10_000, 5_000],
      [10_000, 5_000],
    ]);
    expect(await counts('f_03')).toBe('10000 5000');
  });

  it('are at work as many at a time as there are jobs', async () => {
    const schemas = ['f_01', 'f_02', 'f_03', 'f_04'];
    const atWork = new Set<string>();
    const counted: number[] = [];
    const writer = await database.client();
    // None ends before two are at work.
    await writer.query('begin; lock table f_01.agents, f_02.agents in share mode');
    const loading = loadFleets({
      ...at(),
      schemas,
      jobs: 2,
      fixtures: small,
      onEvent: (event) => {
        if (event.type === 'phase') counted.push(atWork.add(event.schema!).size);
        if (event.type === 'end') atWork.delete(event.schema);
      },
    });
    await database.untilSession(`wait_event_type = 'Lock'`, 2);
    await writer.query('commit');
    expect((await loading).fleets.map(({ report }) => report?.fixtures.length)).toEqual([2, 2, 2, 2]);
    expect(Math.max(...counted)).toBe(2);
  });

  it.each([0, -1, 1.5, NaN])('cannot be loaded %s at a time', async (jobs) => {
    await expect(loadFleets({ ...at(), schemas: ['f_01'], jobs, fixtures: small })).rejects.toMatchObject({
      code: 'usage',
    });
  });

  it('do not stop each other when one fails', async () => {
    const events: RunEvent[] = [];
    const schemas = ['empty', 'f_04', 'orphans', 'nowhere', 'f_01'];
    const fixtures = [sizedCertificates(400), sizedAgents(200)];
    const result = await loadFleets({
      ...at(),
      schemas,
      jobs: 1,
      fixtures,
      onEvent: (event) => events.push(event),
    });
    const [empty, done, orphans, nowhere, alsoDone] = result.fleets;
    expect(done?.report?.fixtures.map(({ inserted }) => inserted)).toEqual([100, 0]);
    expect(alsoDone?.report?.fixtures.map(({ inserted }) => inserted)).toEqual([100, 0]);
    expect(empty?.error).toMatchObject({
      code: 'schema',
      message: 'there is no table managed_certificates in schema empty',
      state: 'nothing was changed',
    });
    expect(nowhere?.error).toMatchObject({
      message: 'there is no table managed_certificates in schema nowhere',
    });
    expect(orphans?.error).toMatchObject({
      code: 'parents',
      message: 'parent rows are missing: owners o-carol',
    });
    expect(matchesSchema(JSON.parse(JSON.stringify(result))), JSON.stringify(matchesSchema.errors)).toBe(
      true,
    );
    const told = events.flatMap((event) =>
      event.type === 'notice' ? event.message : event.type === 'confirmation' ? event.line : [],
    );
    expect(told).toEqual([
      'schema empty: failed (1 of 5)',
      'schema f_04: done (2 of 5)',
      'scale_certs: 400 managed_certificates rows present',
      'scale_agents: 200 agents rows present',
      'schema orphans: failed (3 of 5)',
      'schema nowhere: failed (4 of 5)',
      'schema f_01: done (5 of 5)',
      'scale_certs: 400 managed_certificates rows present',
      'scale_agents: 200 agents rows present',
    ]);
  });

  it('all fail at once where there is no server, or no schema', async () => {
    await expect(
      loadFleets({ databaseUrl: 'postgresql://u@127.0.0.1:1/d', schemas: ['a', 'b'] }),
    ).rejects.toMatchObject({
      code: 'connect',
    });
    await expect(loadFleets({ ...at(), schemas: [] })).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('--schema with several names', () => {
  it('prints one report, and each schema before the lines that a harness greps', async () => {
    const outcome = await run(
      ['load', '--schema', 'f_{01..02},f_03', '--schema', 'f_04', '--jobs', '1', '--format', 'json'],
      env(),
    );
    expect(outcome.code).toBe(0);
    const lines = [
      'Phase 8 bulk-renewal seed: 10000 managed_certificates rows present',
      'Phase 8 agent-storm seed: 5000 agents rows present',
    ];
    const schemas = ['f_01', 'f_02', 'f_03', 'f_04'];
    expect(outcome.stderr).toBe(
      schemas.map((schema, i) => `schema ${schema}: done (${i + 1} of 4)\n${lines.join('\n')}\n`).join(''),
    );
    const report = JSON.parse(outcome.stdout) as FleetsReport<LoadReport>;
    expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(report.fleets.map(({ schema }) => schema)).toEqual(schemas);
  });

  it('prints one table with a row a schema, drift and failures under it, and exits by the worst', async () => {
    await database.query(`update f_02.agents set version = '9' where id = 'ag-loadtest-00007'`);
    const drifted = await run(['verify', '--schema', 'f_01,f_02', '--quiet'], env());
    expect(drifted).toMatchObject({ code: 4, stderr: '' });
    expect(drifted.stdout).toMatch(
      /^Verified the fixtures of 2 of 2 schemas in .*\n\nschema +rows +missing +drifted +unexpected +age +result\n/,
    );
    expect(drifted.stdout).toMatch(/^f_01 +15,000 +0 +0 +0 +.* intact\nf_02 +15,000 +0 +1 +0 +.* drifted$/m);
    expect(drifted.stdout).toContain(
      'f_02: 02_agent_fleet: version drifted in 1 rows: ag-loadtest-00007 has "9" for "2.1.0"\n',
    );
    const failed = await run(
      ['verify', '--schema', 'empty,f_02,nowhere', '--quiet', '--format', 'markdown'],
      env(),
    );
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain('| empty | - | - | - | - | - | failed |\n| f_02 | 15,000 |');
    expect(failed.stderr).toMatch(
      /^scale-seed: empty: there is no table managed_certificates in schema empty\n {2}now: nothing was changed\n {2}try: /,
    );
    expect((await run(['load', '--schema', 'f_{01..02}', '--verify', '--quiet'], env())).code).toBe(4);
  });

  it('exits 2 where every schema is refused, and says so once', async () => {
    const sql = (schema: string): string => `insert into ${schema}.agents (id, name, hostname, api_key_hash)
      select 'real-' || g, 'real-' || g, 'h', 'x' from generate_series(1, 1001) as g`;
    await database.query(sql('f_03'));
    const one = await run(['load', '--schema', 'f_03,f_04', '--quiet'], env());
    expect(one.code).toBe(1);
    await database.query(sql('f_04'));
    const both = await run(['load', '--schema', 'f_03,f_04', '--quiet'], env());
    expect(both.code).toBe(2);
    expect(both.stderr.match(/this looks like a real fleet/g)).toHaveLength(2);
    expect((await run(['load', '--schema', 'f_03,f_04', '--quiet', '--force'], env())).code).toBe(0);
  });

  it('takes names with commas, braces and quotes in double quotes', async () => {
    const outcome = await run(
      ['load', '02_agent_fleet', '--schema', 'f_01,"a,""b{1..2}"', '--format', 'json'],
      env(),
    );
    const report = JSON.parse(outcome.stdout) as FleetsReport<LoadReport>;
    expect(report.fleets[1]).toMatchObject({
      schema: 'a,"b{1..2}',
      report: { fixtures: [{ inserted: 5_000 }] },
    });
  });

  it('is for commands that can, and well-formed', async () => {
    const ci = await run(['ci', '--schema', 'f_01,f_02'], env());
    expect(ci).toMatchObject({ code: 2, stderr: expect.stringContaining('one schema at a time') as string });
    const malformed = await run(['load', '--schema', 'f_{01'], env());
    expect(malformed).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('list of schemas') as string,
    });
  });

  it('is interrupted as a whole, and tells what stands where', async () => {
    const args = ['load', '--certs', '300000', '--schema', 'f_01,f_02,f_03', '--jobs', '2', '--force'];
    const loading = start([...args, '--format', 'json'], env());
    await database.untilSession(`query like 'insert into %' and state = 'active'`);
    loading.kill('SIGTERM');
    const { code, stdout, stderr } = await loading.outcome;
    expect(code).toBe(143);
    const { fleets } = JSON.parse(stdout) as FleetsReport<LoadReport>;
    expect(fleets.map(({ error }) => error?.code)).toEqual(Array<string>(3).fill('interrupted'));
    expect(fleets[2]?.error?.state).toBe('nothing was changed');
    expect(stderr).toContain('f_03: interrupted\n  now: nothing was changed\n');
    for (const schema of ['f_01', 'f_02', 'f_03']) {
      expect(
        await database.value(
          `select count(*) from ${schema}.managed_certificates where id like 'cert-loadtest-scale-%'`,
        ),
      ).toMatch(/^(0|300|400)$/);
    }
  });

  it('needs no more memory for more schemas', async () => {
    const peakOf = async (schemas: string): Promise<number> => {
      const { stdout } = await run(
        ['reset', '--schema', schemas, '--jobs', '2', '--force', '--format', 'json'],
        env(),
      );
      return (JSON.parse(stdout) as { peakRssBytes: number }).peakRssBytes;
    };
    for (let n = 10; n < 16; n++) await makeSchema(`f_${n}`);
    const [few, many] = [await peakOf('f_01,f_02'), await peakOf('f_{10..15}')];
    expect(many).toBeLessThan(150 * 1024 * 1024);
    expect(few).toBeGreaterThan(0.7 * many);
  });
});
