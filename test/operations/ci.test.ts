import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ci, type CiOptions } from '../../src/operations/ci.js';
import { Session } from '../../src/postgres/session.js';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import type { Check, CiReport } from '../../src/report/result.js';
import { renderJunit } from '../../src/show/junit.js';
import { renderMarkdown } from '../../src/show/render.js';
import { useDatabase } from '../support/database.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { matchesSchema } from '../support/schema-validator.js';

const database = useDatabase();
const notices: string[] = [];

const run = (options: CiOptions = {}): Promise<CiReport> =>
  ci({
    databaseUrl: database.url,
    fixtures: [sizedCertificates(300), sizedAgents(200)],
    settle: false,
    onEvent: (event) => {
      if (event.type === 'notice') notices.push(event.message);
    },
    ...options,
  });

const checkOf = ({ verdict }: CiReport, name: Check['name']): Check | undefined =>
  verdict.checks.find((check) => check.name === name);

const scratchSchemas = (): Promise<unknown[]> =>
  database.query(`select nspname from pg_namespace where nspname like 'scale_seed%'`);

/** Everything in the schema that a load must leave as it is. */
const describeStructure = (): Promise<unknown[]> =>
  database.query(`select conrelid::regclass::text as on, conname as name, pg_get_constraintdef(oid) as definition
      from pg_constraint where connamespace = 'public'::regnamespace
    union all select tgrelid::regclass::text, tgname, tgenabled::text from pg_trigger where not tgisinternal
    union all select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' order by 1, 2, 3`);

describe('ci', () => {
  it('loads, verifies and judges', async () => {
    const report = await run();
    expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([300, 200]);
    expect(report.verified.intact).toBe(true);
    expect(report.reference).toBeUndefined();
    expect(report.verdict).toMatchObject({ outcome: 'pass', checks: [{ name: 'verify' }] });
  });

  it('measures against the reference load, and leaves nothing of that', async () => {
    const [structure, agents] = [await describeStructure(), await database.query('table agents')];
    const rounds: number[] = [];
    const report = await run({
      budgetMs: 60_000,
      budgetRatio: 1000,
      onEvent: (event) => {
        if (event.type === 'measure') rounds.push(event.round);
      },
    });
    expect(rounds).toEqual([1, 2, 3, 4, 5, 6]);
    expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(report.verdict.outcome).toBe('pass');
    expect(checkOf(report, 'budget')).toMatchObject({ outcome: 'pass', limit: 60_000 });
    expect(checkOf(report, 'budget-ratio')).toMatchObject({ outcome: 'pass', limit: 1000, unit: 'ratio' });
    expect(report.reference?.rounds).toHaveLength(6);
    expect(report.reference?.leftOut).toEqual([]);
    expect(report.reference?.references).toEqual([
      { fixture: 'scale_certs', source: 'generate_series' },
      { fixture: 'scale_agents', source: 'generate_series' },
    ]);
    expect(await scratchSchemas()).toEqual([]);
    expect(await describeStructure()).toEqual(structure);
    expect(await database.query('table agents')).toEqual(agents);
  });

  it('is over budget only after fresh rounds have confirmed it', async () => {
    const report = await run({ budgetRatio: 0.0001 });
    expect(report.verdict.outcome).toBe('over budget');
    expect(report.reference?.rounds.map(({ confirming }) => confirming)).toEqual([
      ...Array.from({ length: 6 }, () => false),
      ...Array.from({ length: 6 }, () => true),
    ]);
    expect(notices).toContain('6 rounds were over the limit: fresh ones must confirm it');
  });

  it('does not measure a fleet that drifted', async () => {
    await database.query(`update agents set api_key_hash = 'x' where id = 'ag-scale-00000007'`);
    const report = await run({ budgetRatio: 0.0001 });
    expect(report.verdict.outcome).toBe('drift');
    expect(checkOf(report, 'verify')).toMatchObject({ outcome: 'fail', measured: 1 });
    expect(checkOf(report, 'budget-ratio')?.outcome).toBe('skipped');
    await database.query(
      `update agents set api_key_hash = 'loadtest_no_auth' where id = 'ag-scale-00000007'`,
    );
  });

  it('takes what a running stack writes for no drift, but where the fleet is to be pristine', async () => {
    await database.query(`update agents set status = 'Offline' where id = 'ag-scale-00000007'`);
    const report = await run({});
    expect(report.verdict.outcome).toBe('pass');
    expect(report.verified.fixtures.map(({ liveRows }) => liveRows)).toContain(1);
    const strict = await run({ pristine: true });
    expect(strict.verdict.outcome).toBe('drift');
    expect(checkOf(strict, 'verify')).toMatchObject({ outcome: 'fail', measured: 1 });
    await database.query(`update agents set status = 'Online' where id = 'ag-scale-00000007'`);
  });

  it('judges no load of nothing', async () => {
    const nothing = run({ fixtures: [sizedAgents(0)], budgetRatio: 1000 });
    await expect(nothing).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('nothing to judge') as string,
    });
  });

  it.each([
    ['exclusive mode', { mode: 'exclusive' }, (): CiOptions => ({ mode: 'exclusive' })],
    ['four sessions', { jobs: 4 }, (): CiOptions => ({ jobs: 4 })],
  ])('measures %s as it loads', async (_, expected, options) => {
    const report = await run({ budgetRatio: 1000, ...options() });
    expect(report).toMatchObject({ ...expected, verdict: { outcome: 'pass' } });
  });
});

describe('the measurement', () => {
  const slow = {
    ...sizedAgents(200),
    formulas: { ...sizedAgents(200).formulas, name: `'x' || pg_sleep(60)` },
  };

  it('has no session that idles while others are at work', async () => {
    const controller = new AbortController();
    const measuring = run({ fixtures: [slow], budgetRatio: 1000, signal: controller.signal });
    measuring.catch(() => undefined);
    await database.untilSession(`wait_event = 'PgSleep'`);
    // A server may end such sessions.
    expect(await database.sessions(`state = 'idle'`)).toBe(0);
    controller.abort();
    await expect(measuring).rejects.toMatchObject({ code: 'interrupted' });
  });

  const moments: [CiOptions, () => Promise<unknown>][] = [
    [{}, () => Promise.resolve()],
    [{ fixtures: [slow] }, () => database.untilSession(`wait_event = 'PgSleep'`)],
  ];
  const KILL = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`;

  it.each([
    ['by the caller', 'interrupted', 'AbortError'],
    ['by the time limit', 'timeout', 'TimeoutError'],
    ['by the server', 'server', undefined],
  ])('that is ended %s is what has failed, and not the load of a fixture', async (_, code, reason) => {
    for (const [options, comes] of moments) {
      const controller = new AbortController();
      const end = async (): Promise<void> => {
        if (reason === undefined) await database.query(KILL);
        else controller.abort(new DOMException('ended', reason));
      };
      let ending: Promise<unknown> | undefined;
      const onEvent: CiOptions['onEvent'] = (event) => {
        if (event.type === 'measure') ending ??= comes().then(end);
      };
      const measuring = run({ budgetRatio: 1000, signal: controller.signal, onEvent, ...options });
      await expect(measuring).rejects.toMatchObject({
        code,
        phase: 'measure',
        message: expect.stringMatching(/^while the load was measured: /) as string,
        state: 'everything is loaded and committed; nothing was judged',
      });
      // It ends whatever is there, which must not be the next run.
      await ending;
      await run();
      expect(await scratchSchemas()).toEqual([]);
    }
  });

  it('that is interrupted does not wait for ever for its schema to go', async () => {
    const url = new URL(database.url);
    const proxy = await startTcpProxy(Number(url.port), (bytes) => {
      if (bytes.includes('drop schema')) proxy.stall();
    });
    url.port = String(proxy.port);
    const controller = new AbortController();
    const told: string[] = [];
    const onEvent: CiOptions['onEvent'] = (event) => {
      if (event.type === 'measure') controller.abort();
      if (event.type === 'notice') told.push(event.message);
    };
    const options = { databaseUrl: url.href, budgetRatio: 1000, signal: controller.signal, onEvent };
    await expect(run(options)).rejects.toMatchObject({ code: 'interrupted' });
    expect(told.at(-1)).toMatch(
      /^schema scale_seed_ci_\w+ could not be dropped: .*more than 6 s; the next run of ci tries again$/,
    );
    await proxy.close();
    await run();
    expect(await scratchSchemas()).toEqual([]);
  });
});

describe('a fixture of the user’s own', () => {
  let slowedMs = 0;
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  const own = defineFixture({
    name: 'own',
    table: 'own',
    count: 400,
    columns: { id: 'text', owner: 'text', tags: 'jsonb', codes: 'integer[]', at: 'timestamptz after anchor' },
    constants: { kind: { type: 'varchar(10)', value: `o'wn` } },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'own-' },
    numberedKeys: { id: { prefix: 'own-', digits: 4, suffix: '' } },
    *rows(first, last) {
      for (let g = first; g <= last; g++) {
        if (g % 100 === 0) Atomics.wait(asleep, 0, 0, slowedMs);
        yield [`own-${String(g).padStart(4, '0')}`, g % 2 ? 'o-bob' : null, { g }, g % 3 ? [g, null] : [], g];
      }
    },
  });

  beforeAll(async () => {
    await database.query(`create table own (
      id text primary key, owner text references owners (id) on delete restrict, tags jsonb, codes integer[],
      at timestamptz, kind varchar(10), number bigserial, twice integer generated always as (array_length(codes, 1) * 2) stored,
      changes integer default 0, check (id <> ''))`);
    await database.query(`create function count_change() returns trigger language plpgsql as
      $$begin new.changes = new.changes + 1; perform pg_notify('changed', new.id); return new; end$$`);
    await database.query(
      `create trigger counts before insert on own for each row execute function count_change()`,
    );
  });

  it('is measured against ready rows, and nothing else is touched', async () => {
    const report = await run({ fixtures: [own], budgetRatio: 1000 });
    expect(checkOf(report, 'verify')?.outcome).toBe('fail');
    await database.query(`update own set changes = 0`);
    const used = await database.value(`select last_value from own_number_seq`);
    const sent = vi.spyOn(Session.prototype, 'query');
    const again = await run({ fixtures: [own], budgetRatio: 1000 });
    const silenced = sent.mock.calls.filter(([sql]) => sql.includes('session_replication_role = replica'));
    sent.mockRestore();
    expect(silenced).toEqual([]);
    expect(again.reference).toMatchObject({
      references: [{ fixture: 'own', source: 'a ready table' }],
      leftOut: ['trigger counts of own'],
    });
    expect(checkOf(again, 'budget-ratio')?.reason).toBe(
      'the interval of 6 rounds is within the limit; measured without trigger counts of own',
    );
    for (const render of [renderJunit, renderMarkdown])
      expect(render(again)).toContain('; measured without trigger counts of own');
    expect(again.fixtures[0]?.foreignKeys.check).toBe('row');
    expect(again.reference?.rounds).toHaveLength(6);
    expect(await database.value(`select last_value from own_number_seq`)).toBe(used);
  });

  it('is caught when it is slow, since its reference is not', async () => {
    const quick = await run({ fixtures: [own], budgetRatio: 1000 });
    // Four times in a load, however fast the machine is by now.
    slowedMs = 2 * quick.reference!.referenceMs;
    const report = await run({ fixtures: [own], budgetRatio: 5 });
    slowedMs = 0;
    expect(report.verdict.outcome).toBe('over budget');
  });

  it.each([
    ['no SQL', 'nosuch(g)', 'function nosuch(integer) does not exist'],
    ['such as fail', '(1 / (g - g))::text', 'division by zero'],
    ['none for its column', 'null', 'null value in column "name"'],
  ])('is named where its formulas are %s', async (_, name, why) => {
    const wrong = {
      ...sizedAgents(200),
      formulas: { ...sizedAgents(200).formulas, name },
    };
    await expect(run({ fixtures: [wrong], budgetRatio: 1000 })).rejects.toMatchObject({
      code: 'fixture',
      phase: 'measure',
      fixture: 'scale_agents',
      message: expect.stringContaining(`cannot make the reference load of scale_agents: ${why}`) as string,
      hint: "check the fixture's formulas",
    });
    expect(await scratchSchemas()).toEqual([]);
  });

  it('must not have formulas that leave rows out', async () => {
    const wrong = {
      ...sizedAgents(200),
      formulas: { ...sizedAgents(200).formulas, id: `'ag-scale-' || g % 9` },
    };
    await expect(run({ fixtures: [wrong], budgetRatio: 1000 })).rejects.toMatchObject({
      code: 'fixture',
      phase: 'measure',
      message: 'the reference load inserted 9 rows where ours inserted 200',
      state: 'everything is loaded and committed; nothing was judged',
    });
    expect(await scratchSchemas()).toEqual([]);
  });
});

describe('a role', () => {
  let url: string;
  let role: string;

  beforeAll(async () => {
    role = await database.role();
    await database.query(`grant select, insert on managed_certificates, agents to ${role}`);
    await database.query(`grant select on teams, owners, issuers, renewal_policies to ${role}`);
    const own = new URL(database.url);
    [own.username, own.password] = [role, 'pw'];
    url = own.href;
  });

  it('that may create no schema is told what to grant, or which options to leave out', async () => {
    const message = 'the role may not create the scratch schema that the reference load goes into';
    const hint = expect.stringMatching(
      new RegExp(`^grant create on database \\S+ to ${role}, or leave out --budget-ratio and --baseline$`),
    ) as string;
    const baseline = await run();
    for (const more of [{}, { baseline }])
      await expect(run({ databaseUrl: url, budgetRatio: 1000, ...more })).rejects.toMatchObject({
        code: 'privilege',
        message,
        hint,
        state: 'nothing was changed',
      });
    const compared = checkOf(await run({ databaseUrl: url, baseline }), 'max-regression');
    expect(compared?.outcome).toBe('inconclusive');
    const [told, advice] = compared!.reason.split(': ');
    expect([told, advice]).toEqual([message, hint]);
  });

  it('needs no more than that and what a load needs', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await database.query(`grant create on database ${name} to ${role}`);
    const report = await run({ databaseUrl: url, budgetRatio: 1000 });
    expect(report.foreignKeys.check).toBe('row');
    expect(report.verdict.outcome).toBe('pass');
    await database.query(`revoke create on database ${name} from ${role}`);
    expect(await scratchSchemas()).toEqual([]);
  });
});

describe('a baseline', () => {
  let measured: CiReport;

  beforeAll(async () => {
    measured = await run({ budgetRatio: 1000 });
  });

  it('is compared by ratio', async () => {
    const baseline = structuredClone(measured);
    const same = await run({ budgetRatio: 1000, baseline, maxRegressionPercent: 10_000 });
    expect(checkOf(same, 'max-regression')).toMatchObject({ outcome: 'pass', limit: 10_000 });
    Object.assign(baseline.reference!, { median: 0.001, interval: [0.001, 0.001] });
    const slower = await run({ budgetRatio: 1000, baseline });
    expect(slower.verdict.outcome).toBe('regressed');
    expect(checkOf(slower, 'max-regression')).toMatchObject({ outcome: 'fail', limit: 20 });
  });

  it('of another mode or size is refused before anything is loaded', async () => {
    for (const options of [
      { mode: 'exclusive' as const },
      { fixtures: [sizedCertificates(300), sizedAgents(201)] },
    ]) {
      await expect(run({ budgetRatio: 1000, baseline: measured, ...options })).rejects.toMatchObject({
        code: 'configuration',
        state: undefined,
      });
    }
    expect(await database.value(`select count(*) from agents where id like 'ag-scale-%'`)).toBe('200');
  });

  it.each([
    ['every schema', ['bare_1', 'bare_2']],
    ['one schema of two', ['public', 'bare_1']],
  ])('is not what is told where %s failed to load', async (_, schemas) => {
    await database.query('create schema if not exists bare_1; create schema if not exists bare_2');
    const report = await run({ schemas, baseline: measured });
    expect(report.verdict.outcome).toBe('failed');
    expect(report.failures[0]).toMatchObject({
      message: expect.stringContaining('there is no table') as string,
    });
    expect(checkOf(report, 'max-regression')?.reason).toBe(
      'only a fleet that stands as it should is measured',
    );
  });

  it('of another fingerprint or PostgreSQL is refused', async () => {
    const [fixture, ...more] = measured.fixtures;
    const others = [
      { ...measured, server: { version: '13.1' } },
      { ...measured, fixtures: [{ ...fixture!, fingerprint: `sha256:${'0'.repeat(64)}` }, ...more] },
    ];
    for (const other of others) {
      await expect(run({ budgetRatio: 1000, baseline: other })).rejects.toMatchObject({
        code: 'configuration',
        state: 'everything is loaded and committed; nothing was judged',
      });
    }
  });
});
