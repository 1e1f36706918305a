import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  chooseFixtures,
  defineFixture,
  manifest,
  sizedAgents,
  sizedCertificates,
  type Fixture,
} from '../src/index.js';
import { startCertctlApi, type Call, type CertctlApi } from './support/certctl-api.js';
import { composeServices, EXAMPLES, exampleText } from './support/examples.js';
import { optionsOf, runScript } from './support/k6.js';

type Env = Record<string, string>;

let folder: string;
let api: CertctlApi | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-k6-'));
});

afterEach(async () => {
  await api?.close();
  api = undefined;
});

/** Starts the stand-in, and says how a script finds it and the fixtures. */
async function setUp(
  fixtures: Fixture[],
  env: Env,
  stand?: Parameters<typeof startCertctlApi>[0],
): Promise<Env> {
  const file = join(folder, 'fleet.json');
  await writeFile(file, JSON.stringify(await manifest({ fixtures, standing: false })));
  api = await startCertctlApi(stand);
  return { CERTCTL_BASE: api.url, FLEET_MANIFEST: file, ...env };
}

const agentOf = ({ path }: Call): string => path.split('/')[4] ?? '';
const idsOf = ({ body }: Call): string[] => (body as { certificate_ids: string[] }).certificate_ids;

/** The ids of rows 1 to n, each of them as often as there were passes, in order. */
const numbered = (prefix: string, rows: number, digits: number, passes = 1): string[] =>
  Array.from(
    { length: rows * passes },
    (_, at) => prefix + String(Math.floor(at / passes) + 1).padStart(digits, '0'),
  );

/** By k6, whose thresholds decide its exit code. */
async function runK6(name: string, env: Env): Promise<void> {
  const options = { env: { PATH: process.env.PATH ?? '', HOME: folder, ...env } };
  await promisify(execFile)(
    'k6',
    ['run', '--quiet', '--no-usage-report', join(EXAMPLES, 'k6', name)],
    options,
  );
}

const hasK6 = spawnSync('k6', ['version']).status === 0;
const runners: [string, boolean, (name: string, env: Env) => Promise<unknown>][] = [
  ['the stand-in for k6', true, runScript],
  [`k6 itself${hasK6 ? '' : ' (there is no k6 on the PATH)'}`, hasK6, runK6],
];

describe.each(runners)('run by %s', (_, had, run) => {
  describe.skipIf(!had)('agent-heartbeats.js', () => {
    it.each([1, 2])('has %i of each agent in as many passes, with several VUs at once', async (passes) => {
      const set = { FLEET_PASSES: String(passes), FLEET_VUS: '4' };
      await run('agent-heartbeats.js', await setUp([sizedAgents(103)], set, { together: 4 }));
      expect(api?.calls.map(agentOf).sort()).toEqual(numbered('ag-scale-', 103, 8, passes));
    });

    it('goes on from the last agent to the first, at a rate', async () => {
      const set = { FLEET_RATE: '30', FLEET_DURATION: '2s', FLEET_VUS: '3' };
      await run('agent-heartbeats.js', await setUp([sizedAgents(40)], set));
      const agents = api!.calls.map(agentOf);
      // k6 may begin one more or one less in two seconds.
      expect(Math.abs(agents.length - 60)).toBeLessThanOrEqual(1);
      const [once, again] = [numbered('ag-scale-', 40, 8), numbered('ag-scale-', agents.length - 40, 8)];
      expect(agents.sort()).toEqual([...once, ...again].sort());
    });

    it('names nothing that the server would write to the fleet, unless it is told to', async () => {
      const one = { FLEET_PASSES: '1' };
      await run('agent-heartbeats.js', await setUp([sizedAgents(1)], one));
      expect(api?.calls).toEqual([
        {
          path: '/api/v1/agents/ag-scale-00000001/heartbeat',
          authorization: 'Bearer load-test-token',
          contentType: 'application/json',
          body: {},
        },
      ]);
      await api?.close();
      const told = { ...one, FLEET_HEARTBEAT: '{"version":"2.1.0"}' };
      await run('agent-heartbeats.js', await setUp([sizedAgents(1)], told));
      expect(api?.calls.map(({ body }) => body)).toEqual([{ version: '2.1.0' }]);
    });
  });

  describe.skipIf(!had)('bulk-renewal.js', () => {
    it('renews all of 01_bulk_renewal_certs, the rest in the last batch', async () => {
      const set = { FLEET_BATCH: '3000', FLEET_VUS: '3' };
      await run('bulk-renewal.js', await setUp(chooseFixtures({}), set, { together: 3 }));
      const batches = api!.calls.map(idsOf);
      expect(batches.map(({ length }) => length).sort()).toEqual([1000, 3000, 3000, 3000]);
      expect(batches.flat().sort()).toEqual(numbered('cert-loadtest-bulk-', 10_000, 5));
      const last = batches.find(({ length }) => length === 1000);
      expect([last?.[0], last?.at(-1)]).toEqual(['cert-loadtest-bulk-09001', 'cert-loadtest-bulk-10000']);
      expect(api?.calls[0]).toMatchObject({
        path: '/api/v1/certificates/bulk-renew',
        authorization: 'Bearer load-test-token',
        contentType: 'application/json',
      });
    });

    it('takes each batch once a pass', async () => {
      const set = { FLEET_BATCH: '100', FLEET_PASSES: '2', FLEET_VUS: '5' };
      await run('bulk-renewal.js', await setUp([sizedCertificates(1037)], set, { together: 5 }));
      expect(api?.calls).toHaveLength(22);
      expect(api?.calls.flatMap(idsOf).sort()).toEqual(numbered('cert-loadtest-scale-', 1037, 8, 2));
    });
  });
});

describe('to the metrics', () => {
  it('all heartbeats are one series, and renewals are another', async () => {
    const beats = await runScript(
      'agent-heartbeats.js',
      await setUp([sizedAgents(20)], { FLEET_PASSES: '1' }),
    );
    expect(new Set(beats.requests.map(({ tags }) => JSON.stringify(tags)))).toEqual(
      new Set(['{"name":"POST /api/v1/agents/{id}/heartbeat"}']),
    );
    expect(beats.checks).toEqual({ 'the heartbeat was recorded': { passed: 20, failed: 0 } });
    await api?.close();
    const env = await setUp([sizedCertificates(25)], { FLEET_BATCH: '10', FLEET_PASSES: '2' });
    const renewals = await runScript('bulk-renewal.js', env);
    expect(renewals.requests.map(({ tags }) => tags)).toEqual(
      Array.from({ length: 6 }, () => ({ name: 'POST /api/v1/certificates/bulk-renew' })),
    );
    expect(renewals.counters).toEqual({ renewals_enqueued: 25, renewals_skipped: 25 });
  });

  it('a certificate that is not there fails a check', async () => {
    const unknown = ['cert-loadtest-scale-00000007'];
    const env = await setUp([sizedCertificates(30)], { FLEET_BATCH: '10', FLEET_VUS: '1' }, { unknown });
    const { checks, options } = await runScript('bulk-renewal.js', env);
    expect(checks['every certificate was found']).toEqual({ passed: 2, failed: 1 });
    expect(options.thresholds).toMatchObject({ 'checks{scenario:bulk_renewal_by_id}': ['rate==1'] });
  });

  it('a server that refuses fails all of them', async () => {
    const env = await setUp([sizedCertificates(1)], { CERTCTL_TOKEN: 'wrong' });
    const { checks } = await runScript('bulk-renewal.js', env);
    expect(Object.values(checks)).toEqual(Array.from({ length: 3 }, () => ({ passed: 0, failed: 1 })));
  });
});

describe('the settings', () => {
  const fleet = chooseFixtures({});

  it('are by default what the harness does, on the fleet that stands', async () => {
    const { options } = await optionsOf('agent-heartbeats.js', await setUp(fleet, {}));
    expect(options).toEqual({
      scenarios: {
        agent_heartbeats: {
          exec: 'heartbeat',
          executor: 'constant-arrival-rate',
          rate: 167,
          timeUnit: '1s',
          duration: '5m',
          preAllocatedVUs: 50,
          maxVUs: 200,
        },
      },
      // As README.md and `list` have it.
      tags: { fleet: '965831220c01' },
      thresholds: {
        'http_req_duration{scenario:agent_heartbeats}': ['p(95)<500', 'p(99)<1000'],
        'http_req_failed{scenario:agent_heartbeats}': ['rate<0.001'],
      },
      summaryTrendStats: ['avg', 'min', 'med', 'p(95)', 'p(99)', 'max'],
      insecureSkipTLSVerify: true,
    });
  });

  it('renew the fleet once by default, and fail what was not finished', async () => {
    const { options } = await optionsOf('bulk-renewal.js', await setUp(fleet, { FLEET_PASSES: '' }));
    expect(options.scenarios).toEqual({
      bulk_renewal_by_id: {
        exec: 'renew',
        executor: 'shared-iterations',
        iterations: 100,
        vus: 4,
        maxDuration: '1h',
      },
    });
    expect(options.thresholds.iterations).toEqual(['count>=100']);
  });

  it.each([
    ['', ['p(95)<2000', 'p(99)<5000']],
    ['1', ['p(95)<2000', 'p(99)<5000']],
    ['1000', ['p(95)<20000', 'p(99)<50000']],
  ])('allow a batch the time of its certificates: FLEET_BATCH=%s', async (batch, limits) => {
    const { options } = await optionsOf('bulk-renewal.js', await setUp(fleet, { FLEET_BATCH: batch }));
    expect(options.thresholds['http_req_duration{scenario:bulk_renewal_by_id}']).toEqual(limits);
  });

  it('never have more VUs than a pass has turns', async () => {
    const env = await setUp([sizedAgents(3)], { FLEET_PASSES: '5', FLEET_VUS: '50' });
    const { options } = await optionsOf('agent-heartbeats.js', env);
    expect(options.scenarios.agent_heartbeats).toMatchObject({ iterations: 15, vus: 3 });
  });

  /** A fixture of the user's own: nothing is known of its ids unless it says how they count. */
  const ownFixture = (numberedKeys: Fixture['numberedKeys']): Fixture =>
    defineFixture({
      name: '20_own',
      table: 'agents',
      count: 2,
      columns: { id: 'text' },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: 'own-' },
      numberedKeys,
      rows: (first, last) => (first === last ? [[`own-${first}-x`]] : [['own-1-x'], ['own-2-x']]),
    });

  it('have all fixtures that the manifest names, one after another', async () => {
    const counted = ownFixture({ id: { prefix: 'own-', digits: 1, suffix: '-x' } });
    const env = await setUp([sizedAgents(2), counted], { FLEET_PASSES: '1', FLEET_VUS: '1' });
    await runScript('agent-heartbeats.js', env);
    expect(api?.calls.map(agentOf)).toEqual(['ag-scale-00000001', 'ag-scale-00000002', 'own-1-x', 'own-2-x']);
  });

  it.each<[string, Fixture[], Env, string]>([
    ['a fleet without agents', [sizedCertificates(1)], {}, 'fleet.json has no rows of agents'],
    ['a fixture of no rows', [sizedAgents(0)], {}, 'fleet.json has no rows of agents'],
    ['ids that nothing is known of', [ownFixture({})], {}, 'fleet.json: the ids of 20_own are not numbered'],
    [
      'two paces',
      fleet,
      { FLEET_PASSES: '1', FLEET_RATE: '5' },
      'FLEET_PASSES and FLEET_RATE exclude each other',
    ],
    ['no number', fleet, { FLEET_PASSES: '1.5' }, 'FLEET_PASSES is not a whole number above 0: 1.5'],
    ['nothing', fleet, { FLEET_VUS: '0' }, 'FLEET_VUS is not a whole number above 0: 0'],
  ])('are refused where they make no sense: %s', async (_, fixtures, set, message) => {
    const env = await setUp(fixtures, set);
    await expect(runScript('agent-heartbeats.js', env)).rejects.toThrow(message);
  });

  it.each([
    ['agent-heartbeats.js', 'k6-fleet-heartbeats'],
    ['bulk-renewal.js', 'k6-fleet-renewals'],
  ])(
    'of %s are all told where it begins or in fleet.js, and passed on by the compose file',
    async (script, service) => {
      const text = (await exampleText('k6/fleet.js')) + (await exampleText(`k6/${script}`));
      const passed = Object.keys((await composeServices())[service]!.environment);
      for (const name of new Set(text.match(/\b(FLEET|CERTCTL)_\w+/g))) {
        expect(text, name).toMatch(new RegExp(`^//.*\\b${name}\\b`, 'm'));
        if (name !== 'FLEET_MANIFEST') expect(passed).toContain(name);
      }
    },
  );
});
