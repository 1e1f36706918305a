import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import type { ResetReport } from '../../src/report/result.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const certs: Fixture = { ...sizedCertificates(60), name: '01_certs' };
const agents: Fixture = { ...sizedAgents(40), name: '02_agents' };
const run = (...fixtures: Fixture[]) => ({ databaseUrl: database.url, fixtures, settle: false });
const fleet = () => run(certs, agents);

/** Rows of a table that refer to those of another fixture. */
const targets = defineFixture({
  name: '20_targets',
  table: 'deployment_targets',
  count: 20,
  columns: { id: 'text', agent_id: 'text' },
  conflictKeys: [['id']],
  mark: { column: 'id', prefix: 'target-' },
  *rows(first, last) {
    for (let g = first; g <= last; g++) yield [`target-${g}`, `ag-scale-${String(g).padStart(8, '0')}`];
  },
});

const CERT = `'cert-loadtest-scale-' || lpad(g::text, 8, '0')`;
const AGENT = `'ag-scale-' || lpad(g::text, 8, '0')`;
const JOBS = `insert into jobs select 'job-' || g, ${CERT}, ${AGENT}, null from generate_series(1, 9) as g`;

const takenAlong = (report: unknown) => (report as ResetReport).fixtures.map(({ dependents }) => dependents);

beforeEach(() => database.query('truncate managed_certificates, agents cascade; drop table if exists scans'));

describe('what hangs on two fixtures', () => {
  const SCANS = (action: string): string => `
    create table scans (id text primary key, agent_id text references agents on delete ${action},
      certificate_id text references managed_certificates on delete cascade);
    insert into scans select 'scan-' || g, ${AGENT}, ${CERT} from generate_series(1, 9) as g`;

  it.each([
    ['jobs that go with a certificate and lose an agent', JOBS],
    ['rows that go with either', SCANS('cascade')],
    ['rows that go with the first and forbid the second', SCANS('no action')],
    [
      'rows of which some hang on others',
      `insert into discovery_scans select 's-' || g, ${AGENT} from generate_series(1, 5) as g;
       insert into discovered_certificates select 'd-' || g, ${CERT}, null, 's-' || g from generate_series(1, 5) as g`,
    ],
  ])('is foretold of the one that takes it: %s', async (_, sql) => {
    await load(fleet());
    await database.query(sql);
    for (const operation of [reset, clean]) {
      await database.query('begin');
      const dry = await operation({ ...fleet(), dryRun: true }).catch((error: unknown) => error);
      await database.query('rollback');
      const done = await operation(fleet()).catch((error: unknown) => error);
      if (done instanceof Error) expect(dry).toMatchObject({ message: done.message });
      else expect(takenAlong(dry)).toEqual(takenAlong(done));
      if (operation === reset) expect(done).toMatchObject({ command: 'reset' });
    }
  });
});

describe('what forbids to delete the second fixture', () => {
  afterEach(() => database.query('delete from endpoint_health_checks; delete from deployment_targets'));

  it('ends clean before the first is deleted', async () => {
    await load(fleet());
    await database.query(`insert into deployment_targets values ('t', 'ag-scale-00000001')`);
    await expect(clean(fleet())).rejects.toMatchObject({ code: 'conflict', state: 'nothing was changed' });
    expect(await database.value('select count(*) from managed_certificates')).toBe('60');
  });

  it.each([
    ['clean', clean],
    ['verify', verify],
    ['load', load],
  ])('leaves nothing "done and committed" where %s changes nothing', async (name, operation) => {
    await load(fleet());
    await database.query(`insert into deployment_targets values ('t', 'ag-scale-00000001')`);
    const bad = defineFixture({ ...targets, name: '30_bad', rows: () => [] });
    const options = name === 'clean' ? fleet() : run(certs, bad);
    const failing = operation({ ...options, jobs: 1, ...(name === 'verify' ? {} : { dryRun: true }) });
    await expect(failing).rejects.toMatchObject({
      state: expect.not.stringContaining('committed') as string,
    });
  });
});

describe('fixtures whose rows refer to one another', () => {
  it('take turns, and go in the opposite order', async () => {
    const all = run(certs, agents, targets);
    const { fixtures } = await load(all);
    expect(fixtures.map(({ inserted }) => inserted)).toEqual([60, 40, 20]);
    expect((await verify(all)).intact).toBe(true);
    await database.query(`delete from deployment_targets where id = 'target-7'`);
    expect((await reset(all)).fixtures.map(({ inserted }) => inserted)).toEqual([0, 0, 1]);
    expect((await verify(all)).intact).toBe(true);
    const foretold = await clean({ ...all, dryRun: true });
    const done = await clean(all);
    expect(done.fixtures.map(({ name, deleted }) => [name, deleted])).toEqual([
      ['01_certs', 60],
      ['02_agents', 40],
      ['20_targets', 20],
    ]);
    expect(foretold.fixtures.map(({ deleted }) => deleted)).toEqual([60, 40, 20]);
  });
});

describe('a caller that is asked', () => {
  it('keeps nobody waiting who would alter a table', async () => {
    await load(fleet());
    await database.query(JOBS);
    const other = await database.client();
    await other.query(`set lock_timeout = '2s'`);
    const confirm = async (): Promise<boolean> => {
      for (const table of ['jobs', 'managed_certificates', 'agents'])
        await other.query(`alter table ${table} add column more text; alter table ${table} drop column more`);
      return true;
    };
    expect((await reset({ ...fleet(), confirm })).fixtures[0]?.dependents).toHaveLength(1);
    expect((await clean({ ...fleet(), confirm })).fixtures.map(({ deleted }) => deleted)).toEqual([60, 40]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
      /confirm has thrown: no idea/,
    ],
    ['rejects', () => Promise.reject(new Error('no idea')), /confirm has thrown: no idea/],
  ])('is told of its own mistake where it %s', async (_, confirm, message) => {
    await load(fleet());
    const failing = clean({ ...fleet(), confirm });
    await expect(failing).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(message) as string,
    });
    expect(await database.value('select count(*) from agents')).toBe('40');
  });

  it('may answer at once', async () => {
    await load(fleet());
    const confirm = (() => true) as unknown as () => Promise<boolean>;
    expect((await clean({ ...fleet(), confirm })).fixtures[0]?.deleted).toBe(60);
  });
});

it('two parents of one label are two', async () => {
  const parents = [
    { table: 'teams', key: { id: 'k' }, values: { id: 'k', name: 'one' } },
    { table: 'teams', key: { name: 'k' }, values: { id: 'two', name: 'k' } },
  ];
  await load({ ...run({ ...agents, parents }), createParents: true });
  expect(await database.value(`select count(*) from teams where 'k' in (id, name)`)).toBe('2');
  await database.query(`delete from teams where 'k' in (id, name)`);
});

describe('a time limit ends what a generator that hangs keeps waiting', () => {
  const never = new Promise<never>(() => undefined);
  it.each<[string, Fixture, (options: ReturnType<typeof run> & { timeoutMs: number }) => Promise<unknown>]>([
    [
      'clean, that looks at its ends',
      {
        ...agents,
        rows: async function* () {
          await never;
        },
      },
      clean,
    ],
    [
      'load, once it has its rows',
      defineFixture({
        ...agents,
        async *rows(first, last) {
          let isThrough = false;
          try {
            yield* agents.rows(first, last) as Iterable<readonly unknown[]>;
            isThrough = true;
          } finally {
            if (!isThrough) await never;
          }
        },
      }),
      load,
    ],
  ])('%s', async (name, fixture, command) => {
    const ended = command({ ...run(fixture), timeoutMs: 300 });
    if (name.startsWith('clean')) await expect(ended).rejects.toMatchObject({ code: 'timeout' });
    else await ended;
    await database.untilNoSession();
  });
});
