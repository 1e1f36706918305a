import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import SCHEMA_SQL from '../src/embedded/schema.sql';
import { load, seedParents } from '../src/index.js';
import type { CiReport } from '../src/report/result.js';
import { CLI, start, type Outcome } from './support/command-line.js';
import { useDatabase } from './support/database.js';
import { composeServices, EXAMPLES, exampleText } from './support/examples.js';
import { matchesSchema } from './support/schema-validator.js';

const CONFIRMATIONS = [
  'Phase 8 bulk-renewal seed: 10000 managed_certificates rows present',
  'Phase 8 agent-storm seed: 5000 agents rows present',
];

const database = useDatabase();
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

/** A text as compose gives it to a container: `${NAME:-default}` is looked up. */
function interpolate(text: string, env: Record<string, string>): string {
  return text.replace(
    /\$\{(\w+):-([^}]*)\}/g,
    (_, name: string, otherwise: string) => env[name] ?? otherwise,
  );
}

/** Where the test's server is, in the words of libpq. */
function location(): Record<string, string> {
  const { hostname, port, username, password, pathname } = new URL(database.url);
  return {
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGPASSWORD: password,
    PGDATABASE: pathname.slice(1),
  };
}

describe('the compose file', async () => {
  const seed = (await composeServices())['scale-seed']!;

  /** Runs what the container would, with nothing replaced but where the server and the program are. */
  function runSeed(env: Record<string, string> = {}, command = seed.command): Promise<Outcome> {
    const [program, script, ...more] = [...seed.entrypoint, ...command];
    expect([program, script]).toEqual(['node', '/app/dist/cli.js']);
    const given = Object.entries(seed.environment).map(([name, text]) => [
      name,
      interpolate(text ?? '', env),
    ]);
    expect(Object.fromEntries(given)).toMatchObject({ PGHOST: 'postgres', PGPASSWORD: 'loadtestpass' });
    return start(more, { ...(Object.fromEntries(given) as Record<string, string>), ...location() }).outcome;
  }

  const rows = (): Promise<unknown> =>
    database.value(
      `select (select count(*) from managed_certificates) || ' ' || (select count(*) from agents)`,
    );

  it('loads nothing where the opt-in is false', async () => {
    const before = await rows();
    expect(await runSeed({ LOADTEST_SCALE_SEED: 'false' })).toEqual({
      code: 0,
      stdout: '',
      stderr: 'scale-seed: LOADTEST_SCALE_SEED is not true: nothing was loaded\n',
    });
    expect(await rows()).toBe(before);
  });

  it('says both confirmation lines, the second time too', async () => {
    for (const inserted of ['10,000 ', '0 ']) {
      const { code, stdout, stderr } = await runSeed();
      expect(code, stderr).toBe(0);
      expect(stderr.trimEnd().split('\n')).toEqual(CONFIRMATIONS);
      expect(stdout).toMatch(new RegExp(`01_bulk_renewal_certs +managed_certificates +10,000 +${inserted}`));
    }
  });

  describe.skipIf(!has('make'))('and the make targets', async () => {
    const targets = [...(await exampleText('loadtest.mk')).matchAll(/^([\w-]+):.* ## /gm)].map(
      ([, target]) => target ?? '',
    );

    it.each(targets.filter((target) => !target.startsWith('loadtest-scale')))(
      '`%s` does its work on a fleet that a server has written to',
      async (target) => {
        await load({ databaseUrl: database.url, settle: false });
        await database.query(`update agents set status = 'Offline' where id = 'ag-loadtest-00001'`);
        const { stdout } = await promisify(execFile)('make', ['--dry-run', '-f', 'loadtest.mk', target], {
          cwd: EXAMPLES,
        });
        const line = stdout.split('\n').find((text) => text.includes('scale-seed.yaml')) ?? '';
        const [, words = ''] = / -T scale-seed ?(.*?)(?: (?:>|\|\|) .*)?$/.exec(line) ?? [];
        const { code, stderr } = await runSeed({}, words === '' ? seed.command : words.split(' '));
        expect(code, stderr).toBe(0);
      },
    );

    it('run a scenario on a fleet that was put back', async () => {
      const { stdout } = await promisify(execFile)(
        'make',
        [
          '--dry-run',
          '-f',
          'loadtest.mk',
          ...targets.filter((target) => target.startsWith('loadtest-scale')),
        ],
        { cwd: EXAMPLES },
      );
      const run = 'docker compose -f docker-compose.yml -f compose.scale-seed.yaml --profile scale run --rm';
      expect(stdout.trimEnd().split('\n')).toEqual([
        'for try in 1 2 3 4 5 6; do \\',
        `  ${run} -T scale-seed reset --yes || exit; sleep 10; \\`,
        `  ${run} -T scale-seed verify && exit; test $? = 4 || exit 1; sleep 60; \\`,
        'done; exit 4',
        `${run} k6-scale-bulk`,
        `${run} k6-scale-agent`,
        'mkdir -p results',
        `${run} -T scale-seed manifest > results/fleet.json`,
        `${run} k6-fleet-heartbeats`,
        `${run} k6-fleet-renewals`,
      ]);
      expect(targets).toHaveLength(9);
    });
  });
});

interface Step {
  name?: string;
  run?: string;
  env?: Record<string, string>;
}

describe('the GitHub workflow', async () => {
  const { jobs } = parse(await exampleText('github-actions.yml')) as {
    jobs: { fleet: { env: Record<string, string>; services: Record<string, object>; steps: Step[] } };
  };
  const scriptOf = (name: string): string => jobs.fleet.steps.find((step) => step.name === name)?.run ?? '';

  describe.skipIf(!has('psql'))('run as it stands', { timeout: 300_000 }, () => {
    const scaleSeed = `exec '${process.execPath}' '${CLI}'`;
    let folder: string;
    let url: string;

    /** Runs a step's script as a runner would, with nothing replaced but where the server and the programs are. */
    async function runStep(name: string): Promise<string> {
      const path = `${join(folder, 'bin')}:${process.env.PATH ?? ''}`;
      const { stdout, stderr } = await promisify(execFile)(
        'bash',
        ['--noprofile', '--norc', '-ec', scriptOf(name)],
        {
          cwd: folder,
          env: {
            PATH: path,
            ...jobs.fleet.env,
            DATABASE_URL: url,
            GITHUB_ACTIONS: 'true',
            GITHUB_WORKFLOW: 'fleet',
            GITHUB_STEP_SUMMARY: join(folder, 'summary.md'),
          },
        },
      );
      return stdout + stderr;
    }

    async function program(name: string, script: string): Promise<void> {
      const file = join(folder, 'bin', name);
      await writeFile(file, `#!/bin/sh\n${script}\n`);
      await chmod(file, 0o755);
    }

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'scale-seed-workflow-'));
      for (const made of ['bin', 'migrations']) await mkdir(join(folder, made));
      await program('scale-seed', `${scaleSeed} "$@"`);
      await writeFile(join(folder, 'migrations', '000001_tables.up.sql'), SCHEMA_SQL);
      for (const seed of ['seed', 'seed_demo'])
        await writeFile(join(folder, 'migrations', `${seed}.sql`), 'select 1;\n');
      const fresh = new URL(database.url);
      fresh.pathname += '_workflow';
      url = fresh.href;
      await database.query(`create database ${fresh.pathname.slice(1)} template template0`);
      return () =>
        database.query(`drop database ${fresh.pathname.slice(1)} with (force)`).then(() => undefined);
    });

    it('migrates', async () => {
      await runStep('Migrate');
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        await seedParents(client);
      } finally {
        await client.end();
      }
    });

    it('judges the first run without a baseline', async () => {
      await program('gh', ':');
      expect(await runStep("Fetch the last green run's report")).toBe('');
      const output = await runStep('Load, verify, judge');
      for (const line of CONFIRMATIONS) expect(output).toContain(line);
      const report = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as object;
      expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
      expect(report).toMatchObject({ command: 'ci', verdict: { outcome: 'pass' } });
      expect(await readFile(join(folder, 'summary.md'), 'utf8')).toContain('01_bulk_renewal_certs');
      expect(await readFile(join(folder, 'junit.xml'), 'utf8')).toContain('<testsuite');
    });

    it('compares the next with it', async () => {
      // However busy the machine is, this is slower, and within a budget: few rounds tell.
      await program('scale-seed', `${scaleSeed} "$@" --budget-ratio 1000`);
      const earlier = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as CiReport;
      Object.assign(earlier.reference!, { median: 0.001, interval: [0.001, 0.001] });
      await writeFile(join(folder, 'earlier.json'), JSON.stringify(earlier));
      await program(
        'gh',
        `[ "$2" = list ] && echo 7 || { mkdir baseline && cp earlier.json baseline/report.json; }`,
      );
      await runStep("Fetch the last green run's report");
      await expect(runStep('Load, verify, judge')).rejects.toMatchObject({ code: 3 });
      const report = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as CiReport;
      expect(report.verdict.checks.find(({ name }) => name === 'max-regression')).toMatchObject({
        outcome: 'fail',
        limit: 30,
      });
    });
  });
});
