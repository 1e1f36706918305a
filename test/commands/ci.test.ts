import { once } from 'node:events';
import { mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SaxesParser } from 'saxes';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BenchmarkEntry } from '../../src/judge/benchmark.js';
import type { CiReport } from '../../src/report/result.js';
import { run, start, type Outcome } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { runInProcess } from '../support/in-process.js';
import { matchesSchema } from '../support/schema-validator.js';

const database = useDatabase();
const env = (): Record<string, string> => ({ DATABASE_URL: database.url });
const SMALL = ['--certs', '300', '--agents', '200', '--no-settle'];
/** Rows enough for a measurement to be met under way. */
const LARGE = ['--certs', '10000', '--no-settle', '--budget-ratio', '1000'];
/** For one that comes to its end. */
const MEDIUM = ['--certs', '4000', '--no-settle', '--budget-ratio', '1000'];

let folder: string;
const file = (name: string): string => join(folder, name);
const read = (name: string): Promise<string> => readFile(file(name), 'utf8');

const ci = (args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> =>
  runInProcess(['ci', ...args], { ...env(), ...more });

/** The same as a process, once for every exit code at least. */
const ciProcess = (args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> =>
  run(['ci', ...args], { ...env(), ...more });

let earlier: Promise<string> | undefined;

/** The report of an earlier run that was measured, in a file. */
async function baselineFile(change: (report: CiReport) => unknown = () => undefined): Promise<string> {
  earlier ??= ci([...SMALL, '--budget-ratio', '1000', '--output', '-']).then(({ stdout }) => stdout);
  const report = JSON.parse(await earlier) as CiReport;
  change(report);
  await writeFile(file('earlier.json'), JSON.stringify(report));
  return file('earlier.json');
}

const schemas = async (): Promise<string[]> =>
  (
    await database.query<{ nspname: string }>(
      `select nspname from pg_namespace where nspname like 'scale_seed%'`,
    )
  ).map(({ nspname }) => nspname);

function expectWellFormed(xml: string): void {
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(xml).close();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-ci-'));
});

describe('a run that passes', () => {
  it('exits 0, and writes its report in every form', async () => {
    await writeFile(file('summary.md'), '# Other steps\n');
    const { code, stdout, stderr } = await ciProcess([
      ...[...SMALL, '--no-progress', '--budget', '1m'],
      ...['--budget-ratio', '1000', '--format', 'json', '--output', file('report.json')],
      ...[
        '--junit',
        file('junit.xml'),
        '--benchmark',
        file('benchmark.json'),
        '--summary',
        file('summary.md'),
      ],
    ]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as CiReport;
    expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(report.verdict.outcome).toBe('pass');
    expect(stderr).toMatch(
      /^scale_agents: 200 agents rows present\nscale_certs: 300 managed_certificates rows present\nscale-seed: measuring against the reference load in schema scale_seed_ci_[0-9a-f]{16}\n$/,
    );
    expect(JSON.parse(await read('report.json'))).toEqual(report);
    const junit = await read('junit.xml');
    expectWellFormed(junit);
    expect(junit.match(/<testcase /g)).toHaveLength(6);
    const entries = JSON.parse(await read('benchmark.json')) as BenchmarkEntry[];
    expect(entries.map(({ name, unit }) => [name, unit])).toEqual([
      ['load of scale_agents', 'ms'],
      ['load of scale_certs', 'ms'],
      ['load', 'ms'],
      ['load to reference load', 'ratio'],
    ]);
    expect(await read('summary.md')).toMatch(
      /^# Other steps\n### Passed: scale_agents, scale_certs\n[^]*\| budget-ratio \| pass \|[^]*### Loaded 500 rows in [^]*### Verified: /,
    );
    expect(await schemas()).toEqual([]);
  });

  it('says nothing to GitHub but the summary', async () => {
    const { code, stderr } = await ci([...SMALL, '--quiet'], {
      GITHUB_ACTIONS: 'true',
      GITHUB_STEP_SUMMARY: file('step.md'),
    });
    expect(code).toBe(0);
    expect(stderr).not.toContain('::');
    expect(await read('step.md')).toMatch(/^### Passed: /);
  });

  it('can be the baseline of the next', async () => {
    const args = [...SMALL, '--budget-ratio', '1000', '--baseline', await baselineFile()];
    const { code, stdout } = await ci([...args, '--max-regression', '10000%', '--format', 'json']);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as CiReport).verdict.checks[2]).toMatchObject({
      name: 'max-regression',
      outcome: 'pass',
      limit: 10_000,
    });
  });
});

describe('a run that does not pass', () => {
  it('exits 3 over budget, and says so wherever it can', async () => {
    const { code, stdout, stderr } = await ciProcess(
      [...SMALL, '--budget', '0ms', '--budget-ratio', '0.0001', '--junit', file('junit.xml')],
      { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: file('step.md') },
    );
    expect(code).toBe(3);
    expect(stdout).toMatch(/^Over budget: scale_agents, scale_certs\n/);
    expect(stdout).not.toContain('::');
    expect(stderr).toMatch(
      /^::error title=scale-seed ci%3A budget::the load took \d+ ms \(budget 0 ms\): every row stood already/m,
    );
    expect(stderr).toMatch(
      /^::error title=scale-seed ci%3A budget-ratio::the load took \d+\.\d\d times as long as the reference load \(limit 0\.0001\): the interval of \d/m,
    );
    expect(await read('junit.xml')).toContain('tests="6" failures="2" errors="0" skipped="0"');
    expect(await read('step.md')).toMatch(/^### Over budget: /);
    expect(await schemas()).toEqual([]);
  });

  it('exits 3 where it has regressed', async () => {
    const baseline = await baselineFile(({ reference }) =>
      Object.assign(reference!, { median: 0.001, interval: [0.001, 0.001] }),
    );
    const { code, stdout } = await ci([...SMALL, ...['--baseline', baseline]]);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^Regressed: /);
  });

  it('exits 4 where rows drifted, whatever the budget says', async () => {
    await database.query(
      `update agents set api_key_hash = E'50%,\\n::error::' where id = 'ag-scale-00000001'`,
    );
    const { code, stdout, stderr } = await ciProcess([...SMALL, '--budget', '0ms', '--format', 'json'], {
      GITHUB_ACTIONS: 'true',
    });
    await database.query(
      `update agents set api_key_hash = 'loadtest_no_auth' where id = 'ag-scale-00000001'`,
    );
    expect(code).toBe(4);
    expect((JSON.parse(stdout) as CiReport).verdict.checks.map(({ outcome }) => outcome)).toEqual([
      'fail',
      'fail',
    ]);
    expect(stderr).toMatch(
      /^::error title=scale-seed ci%3A verify::scale_agents: api_key_hash drifted in 1 row: ag-scale-00000001 has "50%25,\\n::error::"/m,
    );
  });

  it.each([
    ['some rows are', `new.id = 'ag-scale-00000007'`, '1 row'],
    ['all are', 'true', '200 rows'],
  ])('exits 4 where %s blocked, and says so wherever it can', async (_, which, rows) => {
    await database.query(
      `delete from agents where id like 'ag-scale-%';
       create function keep_out() returns trigger language plpgsql as 'begin return null; end';
       create trigger keep_out before insert on agents for each row when (${which}) execute function keep_out()`,
    );
    await writeFile(file('benchmark.json'), 'of an earlier run');
    const { code, stdout, stderr } = await ci(
      [
        ...['--agents', '200', '--no-settle', '--budget', '1m', '--quiet', '--format', 'json'],
        ...['--junit', file('junit.xml'), '--benchmark', file('benchmark.json')],
      ],
      { GITHUB_ACTIONS: 'true' },
    );
    await database.query('drop function keep_out cascade');
    expect(code).toBe(4);
    expect((JSON.parse(stdout) as CiReport).verdict.checks[1]).toMatchObject({
      outcome: 'skipped',
      reason: `what was loaded is not the fleet: ${rows} could not be added`,
    });
    const said = new RegExp(
      `scale_agents: ${rows} could not be added; ag-scale-0000000\\d cannot be added: blocked by `,
    );
    expect(stderr).toMatch(new RegExp(`^::error title=scale-seed ci%3A load::${said.source}`, 'm'));
    const junit = await read('junit.xml');
    expectWellFormed(junit);
    expect(junit).toMatch(new RegExp(`<failure type="scale-seed.load" message="${said.source}`));
    expect(JSON.parse(await read('benchmark.json'))).toEqual([]);
  });

  it('exits 1 where it fails, and says that wherever it can', async () => {
    await writeFile(file('benchmark.json'), 'of an earlier run');
    const outputs = ['--junit', file('junit.xml'), '--benchmark', file('benchmark.json')];
    const { code, stdout, stderr } = await ciProcess(['--schema', 'nowhere', ...outputs], {
      GITHUB_ACTIONS: 'true',
      GITHUB_STEP_SUMMARY: file('step.md'),
    });
    expect(JSON.parse(await read('benchmark.json'))).toEqual([]);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    const message = 'there is no schema nowhere';
    expect(stderr).toContain(
      `::error title=scale-seed ci%3A failed::${message}%0Anow: nothing was changed%0Atry: `,
    );
    expect(stderr).toContain(`scale-seed: ${message}\n`);
    const junit = await read('junit.xml');
    expectWellFormed(junit);
    expect(junit).toContain(`<error type="scale-seed.load" message="${message}`);
    expect(await read('step.md')).toContain(`### Failed: scale-seed ci\n\n    ${message}\n`);
  });

  it.each<[string, string[], RegExp]>([
    [
      'a regression from nothing',
      ['--max-regression', '5'],
      /--max-regression \(maxRegressionPercent\) needs something to compare with/,
    ],
    [
      'a baseline that is not there',
      ['--baseline', '/nowhere.json'],
      /the baseline \/nowhere.json cannot be read/,
    ],
    ['a baseline that is no report', ['--baseline', 'package.json'], /it is not a report of load or ci/],
    ['a ratio of nothing', ['--budget-ratio', '0'], /write a number above 0/],
    ['a percentage that is none', ['--max-regression', '-5'], /write a percentage above 0 as 20 or 20%/],
    ['a budget without a unit', ['--budget', '5'], /write a duration as/],
    [
      'a place that cannot be written',
      ['--junit', '/nowhere/junit.xml'],
      /cannot be written: .*[^]*now: nothing was changed[^]*check --junit/,
    ],
    ['no rows at all', ['--certs', '0', '--agents', '0'], /there are no rows to load/],
  ])('exits 2 for %s', async (_, args, message) => {
    const { code, stderr } = await ci([...SMALL, ...args]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/this is a bug|\n\s+at /);
    expect(code).toBe(2);
  });

  it.each<[string, () => string[], RegExp]>([
    ['a folder', () => ['--output', file('.')], /--output .* cannot be written: it is a folder/],
    ['a folder for JUnit', () => ['--junit', file('.')], /--junit .* cannot be written: it is a folder/],
    ['a folder that is not there', () => ['--summary', '/nowhere/a.md'], /--summary .* cannot be written/],
    [
      'standard output for JUnit',
      () => ['--junit', '-'],
      /--junit takes a file, .* --output standard output/,
    ],
    ['standard output for the summary', () => ['--summary', '-'], /--summary takes a file/],
    [
      'one file for two',
      () => [
        '--output',
        file('both.json'),
        '--benchmark',
        join(file('.'), '..', basename(folder), 'both.json'),
      ],
      /--output and --benchmark name one file/,
    ],
    [
      'a baseline that would be written over',
      () => ['--baseline', file('there.json'), '--output', file('there.json')],
      /--baseline and --output name one file/,
    ],
    [
      'a baseline that would be written over by a link',
      () => ['--baseline', file('there.json'), '--junit', file('link.json')],
      /--baseline and --junit name one file/,
    ],
    [
      'a baseline that would be added to, where the fixture is not known either',
      () => ['nowhere', '--baseline', file('there.json'), '--summary', file('there.json')],
      /--baseline and --summary name one file/,
    ],
    [
      'a fixture that would be written over',
      () => ['--fixture', file('there.json'), '--output', file('there.json')],
      /--fixture and --output name one file/,
    ],
    [
      'one file for two, in a folder that a link leads to',
      () => ['--output', `${file('aside')}/../both.json`, '--junit', join(tmpdir(), 'both.json')],
      /--output and --junit name one file/,
    ],
    [
      'one file for two by a link',
      () => ['--output', file('there.json'), '--junit', file('link.json')],
      /--output and --junit name one file/,
    ],
  ])('exits 2 for %s, before anything is loaded', async (_, args, message) => {
    await writeFile(file('there.json'), 'kept\n');
    await symlink(file('there.json'), file('link.json')).catch(() => undefined);
    // Its parent folder is another than that of its name.
    await symlink(join(tmpdir(), basename(folder)), file('aside')).catch(() => undefined);
    await database.query(`delete from agents where id like 'ag-scale-%'`);
    const { code, stdout, stderr } = await ci([...SMALL, ...args()]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(await database.value('select count(*) from agents')).toBe('0');
    // Not even the refusal is written to what was refused.
    expect(await read('there.json')).toBe('kept\n');
    await expect(read('both.json')).rejects.toThrow();
  });

  it.each([
    ['a value that is none', ['--certs', 'many'], "option '--certs <n>'"],
    ['an option that is none', ['--bugdet', '8s'], "unknown option '--bugdet'"],
    ['an option without its value', ['--budget'], "option '--budget <duration>' argument missing"],
    ['a fixture that is none', ['03_nothing'], '03_nothing'],
  ])('is told to GitHub where it is %s', async (_what, args, said) => {
    const { code, stderr } = await ci(args, { GITHUB_ACTIONS: 'true' });
    expect(code).toBe(2);
    const told = stderr
      .split('\n')
      .filter((line) => line.startsWith('::error title=scale-seed ci%3A failed::'));
    expect(told).toEqual([expect.stringContaining(said)]);
    expect((await ci(args)).stderr).not.toContain('::');
  });

  it('is a warning where only GitHub’s own summary cannot be written', async () => {
    const env = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: '/nowhere/step.md' };
    const { code, stderr } = await ci([...SMALL], env);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^::warning title=scale-seed ci%3A no summary::/m);
  });

  it('is a report too, and the only one on standard output', async () => {
    const args = [...SMALL, '--schema', 'nowhere'];
    const failed = await ci([...args, '--format', 'json', '--output', file('failed.json')]);
    expect(failed.code).toBe(1);
    const report = JSON.parse(failed.stdout) as CiReport;
    expect(report).toMatchObject({
      version: 1,
      command: 'ci',
      failures: [{ code: 'schema', message: 'there is no schema nowhere', state: 'nothing was changed' }],
    });
    expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(JSON.parse(await read('failed.json'))).toEqual(report);
    const { stdout } = await ci([...SMALL, '--output', '-']);
    expect(JSON.parse(stdout)).toMatchObject({ command: 'ci', failures: [] });
  });

  it('exits 2 for a baseline of another mode, before anything is loaded', async () => {
    const baseline = await baselineFile();
    await database.query(`delete from agents where id like 'ag-scale-%'`);
    const { code, stdout, stderr } = await ciProcess([
      ...SMALL,
      ...['--mode', 'exclusive', '--budget-ratio', '1000', '--baseline', baseline],
    ]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('it is of online mode, this run of exclusive mode');
    expect(await database.value('select count(*) from agents')).toBe('0');
  });
});

describe('the harness’s opt-in', () => {
  it('is honoured', async () => {
    expect(await ciProcess(['--budget', '0ms'], { LOADTEST_SCALE_SEED: 'false' })).toEqual({
      code: 0,
      stdout: '',
      stderr: 'scale-seed: LOADTEST_SCALE_SEED is not true: nothing was loaded\n',
    });
  });
});

describe('interruption of a measurement', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s cancels, drops the scratch schema and exits %i', async (signal, code) => {
    const measuring = start(['ci', ...LARGE], env());
    await database.untilSession(`query like 'insert into "scale_seed_ci_%'`);
    measuring.kill(signal);
    const outcome = await measuring.outcome;
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain('now: everything is loaded and committed; nothing was judged');
    await database.untilNoSession();
    expect(await schemas()).toEqual([]);
    expect(await database.value(`select count(*) from managed_certificates`)).toBe('10000');
  });

  it('by the time limit does the same, and exits 1', async () => {
    const outcome = await ciProcess([
      ...LARGE,
      '--certs',
      '20000',
      '--timeout',
      '2500ms',
      '--budget-ratio',
      '0.0001',
    ]);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('the time limit of 2500 ms has run out');
    await database.untilNoSession();
    expect(await schemas()).toEqual([]);
  });

  it('by kill -9 leaves a schema that the next run drops, and no live run loses its own', async () => {
    const killed = start(['ci', ...LARGE], env());
    await killed.saw('measuring against');
    killed.kill('SIGKILL');
    await killed.outcome;
    const [abandoned] = await schemas();
    await database.untilNoSession();

    const measuring = start(['ci', ...MEDIUM], env());
    await measuring.saw('measuring against');
    const other = await ci(SMALL);
    expect(other.stderr).not.toContain('dropped schema');
    const { code, stderr } = await measuring.outcome;
    expect(stderr).toContain(`dropped schema ${abandoned!}, which an earlier run had left behind`);
    expect(code).toBe(0);
    expect(await schemas()).toEqual([]);
  });
});

describe('waiting', () => {
  let target: URL;
  let proxy: Server | undefined;

  /** The database under a port on which nobody listens yet. */
  beforeAll(async () => {
    const reserved = createServer().listen(0, '127.0.0.1');
    await once(reserved, 'listening');
    target = new URL(database.url);
    target.host = `127.0.0.1:${(reserved.address() as AddressInfo).port}`;
    await once(reserved.close(), 'close');
    return () => proxy?.close();
  });

  async function bringUpServer(): Promise<void> {
    const { port } = new URL(database.url);
    proxy = createServer((socket) => {
      const server = connect(Number(port), '127.0.0.1');
      for (const end of [socket, server]) end.on('error', () => undefined);
      // A client that is gone by a reset has no end that pipe would pass on.
      socket.on('close', () => server.destroy());
      socket.pipe(server).pipe(socket);
    }).listen(Number(target.port), '127.0.0.1');
    await once(proxy, 'listening');
  }

  const short = (): Promise<Outcome> =>
    runInProcess(['ci', ...SMALL, '--wait', '300ms'], { DATABASE_URL: target.href });

  it('says what it waits for: the server, then the tables, then the parents', async () => {
    await database.query('truncate managed_certificates cascade');
    await database.query(`delete from owners where id = 'o-carol'`);
    await database.query('alter table managed_certificates rename to not_yet');
    expect((await short()).stderr).toMatch(/^scale-seed: cannot connect to \S+: .*ECONNREFUSED/m);

    const waiting = start(['ci', ...SMALL, '--wait', '50s'], { DATABASE_URL: target.href });
    await waiting.saw(/^scale-seed: waiting: cannot connect to /m);
    await bringUpServer();
    await waiting.saw('waiting: there is no table managed_certificates on the search_path');
    expect((await short()).stderr).toContain('scale-seed: there is no table managed_certificates');
    await database.query('alter table not_yet rename to managed_certificates');
    await waiting.saw('waiting: parent rows are missing: owners o-carol');
    expect((await short()).stderr).toContain('scale-seed: parent rows are missing: owners o-carol');
    await database.query(
      `insert into owners (id, name, email, team_id) values ('o-carol', 'C', 'c', 't-payments')`,
    );

    const { code, stderr } = await waiting.outcome;
    expect(code).toBe(0);
    expect(stderr.match(/^scale-seed: waiting: .*/gm)).toHaveLength(3);
  });

  it('by a reader that keeps the scratch schema from being dropped fails, and names both', async () => {
    const reader = await database.client();
    const measuring = start(['ci', ...MEDIUM], env());
    await measuring.saw('measuring against');
    const [schema] = await schemas();
    await database.until(`select to_regclass('${schema!}.managed_certificates') is not null`);
    const parents = await database.value(
      `select relname from pg_class where relnamespace = '${schema!}'::regnamespace and relname like 'scale_seed_parents%' limit 1`,
    );
    await reader.query(`begin; select from ${schema!}.${String(parents)} limit 1`);
    const outcome = await measuring.outcome;
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(
      new RegExp(`the scratch schema ${schema!} could not be dropped, and is still there: held by pid \\d+`),
    );
    await reader.query('rollback');
    await ci(SMALL);
    expect(await schemas()).toEqual([]);
  });
});
