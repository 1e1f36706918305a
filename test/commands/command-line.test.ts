import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { link, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { CLI, run, start } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { differenceSql } from '../support/oracle.js';
import { matchesSchema } from '../support/schema-validator.js';

const database = useDatabase();
const env = (): Record<string, string> => ({ DATABASE_URL: database.url });
/** A fleet that is loaded, verified and removed in no time. */
const SMALL = ['--certs', '50', '--agents', '20'];
const hasPsql = spawnSync('psql', ['--version']).status === 0;

describe('reports', () => {
  it('are all that standard output carries', async () => {
    const { code, stdout, stderr } = await run(['load', '--format', 'json', '--verify'], env());
    expect(code).toBe(0);
    expect(stderr.split('\n')).toEqual([
      'Phase 8 bulk-renewal seed: 10000 managed_certificates rows present',
      'Phase 8 agent-storm seed: 5000 agents rows present',
      '',
    ]);
    const report = JSON.parse(stdout) as object;
    expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(Object.keys(report)).toEqual([
      'version',
      'startedAt',
      'database',
      'server',
      'jobs',
      'failures',
      'timings',
      'peakRssBytes',
      'command',
      'dryRun',
      'mode',
      'anchor',
      'foreignKeys',
      'fixtures',
      'verified',
    ]);
  });

  it('also go to a file, and are Markdown where that is wanted', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'scale-seed-report-')), 'report.json');
    const { stdout } = await run(['load', ...SMALL, '--format', 'markdown', '--output', file], env());
    expect(stdout).toContain('| scale_certs | managed_certificates | 50 | 50 | 0 |');
    expect(matchesSchema(JSON.parse(await readFile(file, 'utf8')))).toBe(true);
  });

  it('of every command match the published schema', async () => {
    await database.query(`update agents set status = 'Offline' where id = 'ag-scale-00000001'`);
    const codes: (number | null)[] = [];
    for (const args of [['verify'], ['reset'], ['verify'], ['clean', '--yes']]) {
      const { code, stdout } = await run([...args, ...SMALL, '--format', 'json'], env());
      codes.push(code);
      expect(matchesSchema(JSON.parse(stdout)), JSON.stringify(matchesSchema.errors)).toBe(true);
    }
    expect(codes).toEqual([4, 0, 0, 0]);
  });
});

describe('the driver', () => {
  it('is the one that was tested, whatever the environment prefers', async () => {
    const args = ['verify', ...SMALL, '--database-url', database.url];
    const { code } = await run(args, { NODE_PG_FORCE_NATIVE: '1' });
    expect(code).toBe(4);
  });
});

describe('the harness’s opt-in', () => {
  it('is honoured', async () => {
    const outcome = await run(['load'], { LOADTEST_SCALE_SEED: 'false' });
    expect(outcome).toEqual({
      code: 0,
      stdout: '',
      stderr: 'scale-seed: LOADTEST_SCALE_SEED is not true: nothing was loaded\n',
    });
  });
});

describe('a fixture file', () => {
  it('imports scale-seed from wherever it lies, and may be named twice', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'scale-seed-own-')), 'own.mjs');
    const source = (count: number): string => `import { defineFixture } from 'scale-seed';
      export default defineFixture({ name: 'own', table: 'agents', count: ${count}, columns: { id: 'text' },
        conflictKeys: [['id']], mark: { column: 'id', prefix: 'own-' }, rows: () => [['own-1']] });`;
    await writeFile(file, source(1));
    expect(await run(['generate', '--fixture', file])).toEqual({ code: 0, stdout: 'own-1\n', stderr: '' });
    const twice = ['--fixture', file, '--fixture', `${dirname(file)}/./own.mjs`];
    expect(await run(['manifest', '--no-standing', ...twice])).toMatchObject({ code: 0, stderr: '' });
    await writeFile(file, source(-1));
    const { code, stderr } = await run(['generate', '--fixture', file]);
    expect(stderr).toBe('scale-seed: fixture own: count must be a whole number from 0 to 10000000\n');
    expect(code).toBe(2);
  });
});

describe('help', () => {
  it.each([
    ['help'],
    ['help', 'load'],
    ['help', 'db'],
    ['db', 'help'],
    ['db', 'help', 'start'],
    ['load', '--help'],
  ])('that is asked for is no failure: %s %s', async (...args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Usage: scale-seed ');
  });

  it.each([[[]], [['db']], [['help', 'laod']]])('in place of what was asked for is one: %j', async (args) => {
    const { code, stdout } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

describe('what is to be written', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scale-seed-outputs-'));
    await symlink(file('nowhere/x.json'), file('dangling'));
    await symlink(file('target'), file('link'));
    await writeFile(file('first'), '');
    await link(file('first'), file('second'));
  });

  it.each<[string, () => string[], Record<string, string>, RegExp]>([
    ['has no name', () => ['--output', ''], {}, /--output {2}cannot be written: it has no name/],
    ['is in a folder that is not there', () => ['--output', file('new/')], {}, /there is no such folder/],
    ['is linked to nowhere', () => ['--output', file('dangling')], {}, /cannot be written: ENOENT/],
    ['is a folder', () => ['--summary', folder], {}, /it is a folder/],
    ['is one file twice', () => ['--output', file('x'), '--junit', file('./x')], {}, /name one file/],
    [
      'is one file by a link',
      () => ['--output', file('link'), '--summary', file('target')],
      {},
      /name one file/,
    ],
    [
      'is one file by two names',
      () => ['--output', file('first'), '--junit', file('second')],
      {},
      /name one file/,
    ],
    [
      'is the summary that nobody named',
      () => ['--output', 'STEP'],
      { GITHUB_STEP_SUMMARY: 'STEP' },
      /GITHUB_STEP_SUMMARY and --output name one file/,
    ],
    ['is standard output', () => ['--junit', '/dev/stdout'], {}, /standard output and --junit name one file/],
  ])('is refused where it %s', async (_, args, variables, message) => {
    const here = (text: string): string => (text === 'STEP' ? file('step') : text);
    const named = Object.fromEntries(Object.entries(variables).map(([name, text]) => [name, here(text)]));
    const outcome = await run(['ci', ...args().map(here)], { ...env(), ...named });
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr).toContain('now: nothing was changed');
    expect(outcome.code).toBe(2);
  });

  it('may be a device, twice', async () => {
    const args = ['ci', '--agents', '1', '--output', '/dev/null', '--junit', '/dev/null'];
    expect(await run(args, env())).toMatchObject({ code: 0 });
  });

  it.each([
    ['an unknown fixture', ['load', 'nope']],
    ['a fixture file that is not there', ['load', '--fixture', 'nope.mjs']],
    ['a baseline that is not there', ['ci', '--baseline', 'nope.json']],
    ['nothing to compare with', ['ci', '--max-regression', '5']],
  ])('is there for %s, too', async (_, args) => {
    const report = file('failed.json');
    await writeFile(report, 'of last time');
    const { code, stdout } = await run([...args, '--format', 'json', '--output', report], env());
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ command: args[0], failures: [{ schema: null }] });
    expect(JSON.parse(await readFile(report, 'utf8'))).toEqual(JSON.parse(stdout));
  });

  it.skipIf(!existsSync('/dev/full'))(
    'is no bad usage where the disk is full, and is told on standard output',
    async () => {
      const junit = file('full.xml');
      const args = ['ci', '--agents', '1', '--format', 'json', '--output', '/dev/full', '--junit', junit];
      const { code, stdout, stderr } = await run(args, env());
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ command: 'ci', verdict: { outcome: 'pass' } });
      expect(await readFile(junit, 'utf8')).toContain('errors="0"');
      expect(stderr).toMatch(
        /--output \/dev\/full cannot be written: ENOSPC.*\n {2}now: the command itself is done/,
      );
    },
  );
});

describe('bad input', () => {
  let ownFixture: string;
  let limited: string;

  beforeAll(async () => {
    ownFixture = join(await mkdtemp(join(tmpdir(), 'scale-seed-own-')), 'broken.mjs');
    await writeFile(ownFixture, 'export default { name: "broken" };\n');
    limited = await database.role();
    await database.query(`grant select on all tables in schema public to ${limited}`);
    await database.query('create schema empty');
  });

  // Not through a pooler: it has words of its own for a login that it refuses.
  const withLogin = (login: string, path?: string): string => {
    const url = new URL(database.directUrl);
    [url.username = '', url.password = ''] = login.split(':');
    if (path !== undefined) url.pathname = path;
    return url.href;
  };

  it.each<[string, () => string[], number, RegExp]>([
    [
      'a dry run to verify',
      () => ['load', '--dry-run', '--verify'],
      2,
      /adds no rows that could be verified/,
    ],
    ['two databases', () => ['load', '--embedded', '--database-url', database.url], 2, /are two databases/],
    ['an unknown command of the embedded server', () => ['db', 'sart'], 2, /unknown command 'sart'/],
    ['too many arguments', () => ['list', 'more'], 2, /too many arguments/],
    ['an option without its value', () => ['load', '--certs'], 2, /argument missing/],
    [
      'a pattern that is none',
      () => ['load', '--database-url', database.url, '--schema', '(fa'],
      2,
      /the schema .* cannot be used: invalid regular expression/,
    ],
    ['options that exclude each other', () => ['load', '--verbose', '--quiet'], 2, /cannot be used with/],
    ['an unknown command', () => ['laod'], 2, /unknown command 'laod'\s+\(Did you mean load\?\)/],
    ['an unknown option', () => ['load', '--cert', '5'], 2, /unknown option '--cert'/],
    [
      'a size that is no number',
      () => ['load', '--certs', '5x'],
      2,
      /write a whole number from 0 to 10000000, such as 500, 10k or 1m\./,
    ],
    ['a size without a number', () => ['load', '--certs', 'k'], 2, /write a whole number/],
    ['a directory without a name', () => ['db', 'status', '--data-directory', ''], 2, /no name/],
    [
      'a time without a date',
      () => ['generate', '--anchor', '12Z'],
      2,
      /write a time of the years 2 to 9997 as/,
    ],
    [
      'a time in words',
      () => ['generate', '--anchor', 'Jan 5 2026Z'],
      2,
      /write a time of the years 2 to 9997 as/,
    ],
    [
      'a time too exact',
      () => ['generate', '--anchor', '2026-01-31T12:00:00.1234567Z'],
      2,
      /write a time of the years 2 to 9997 as/,
    ],
    ['a size that is too large', () => ['load', '--certs', '10000001'], 2, /write a whole number/],
    ['a duration without a unit', () => ['load', '--timeout', '5'], 2, /write a duration as/],
    [
      'a day that there is not',
      () => ['generate', '--anchor', '2026-02-30T00:00:00Z'],
      2,
      /write a time of the years 2 to 9997 as/,
    ],
    ['a duration of months', () => ['load', '--timeout', '1000h'], 2, /write no more than 596h/],
    ['an unknown set', () => ['load', '--set', 'huge'], 2, /Allowed choices are fleet, fleet-50k, all/],
    ['an unknown fixture', () => ['load', '05_x'], 2, /there is no fixture named 05_x\n.*\n?.*known are 01_/],
    [
      'a file that is not there',
      () => ['load', '--fixture', '/nowhere.mjs'],
      2,
      /cannot use the fixture file \/nowhere/,
    ],
    [
      'a file that is no fixture',
      () => ['load', '--fixture', ownFixture],
      2,
      /fixture broken: table must be the name of a table/,
    ],
    [
      'a URL of another kind',
      () => ['load', '--database-url', 'mysql://u:s3cret@h/d'],
      2,
      /not a PostgreSQL connection/,
    ],
    [
      'no server',
      () => ['load', '--database-url', 'postgresql://u:s3cret@127.0.0.1:1/d'],
      1,
      /cannot connect to postgresql:\/\/u@127.0.0.1:1\/d: .*ECONNREFUSED/,
    ],
    [
      'a host that is not there',
      () => ['load', '--database-url', 'postgresql://u:s3cret@no.invalid/d'],
      1,
      /cannot connect to postgresql:\/\/u@no.invalid:5432\/d/,
    ],
    [
      'a wrong password',
      () => ['load', '--database-url', withLogin(`${limited}:s3cret`)],
      1,
      /password authentication failed/,
    ],
    [
      'no such database',
      () => ['load', '--database-url', withLogin(`${limited}:pw`, '/s3cretless')],
      1,
      /database "s3cretless" does not exist/,
    ],
    [
      'a role without rights',
      () => ['load', '--database-url', withLogin(`${limited}:pw`)],
      1,
      /the role lacks insert on managed_certificates/,
    ],
    [
      'no tables',
      () => ['load', '--database-url', database.url, '--schema', 'empty'],
      1,
      /there is no table managed_certificates in schema empty/,
    ],
    [
      'nobody to ask',
      () => ['clean', '--agents', '20', '--database-url', database.url],
      2,
      /there is no terminal to ask on/,
    ],
    ['two fixtures to generate', () => ['generate'], 2, /one fixture at a time/],
    ['no rows to generate', () => ['generate', '--certs', '0'], 2, /there are no rows to write/],
    [
      'no rows of either kind to generate',
      () => ['generate', '--certs', '0', '--agents', '0'],
      2,
      /there are no rows to write/,
    ],
  ])('%s is one clear message', async (_, args, code, message) => {
    if (args()[0] === 'clean') await run(['load', '--agents', '20', '--quiet'], env());
    const outcome = await run(args());
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr).toMatch(/^scale-seed: /);
    expect(outcome.code).toBe(code);
    expect(outcome.stdout).toBe('');
    expect(outcome.stderr).not.toMatch(/s3cret\b|\n\s+at /);
  });
});

it('without a command prints the help, exit 2', async () => {
  const { code, stderr } = await run([]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^Usage: scale-seed/);
});

describe('Ctrl-C', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s in mid-load rolls back and exits %i', async (signal, code) => {
    const loading = start(['load', '--certs', '400000', '--agents', '0'], env());
    await database.untilSession(`query like '%insert into %'`);
    const sentMs = performance.now();
    loading.kill(signal);
    const outcome = await loading.outcome;
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain('now: scale_certs: nothing was changed');
    expect(performance.now() - sentMs).toBeLessThan(2000);
    expect(
      await database.value(`select count(*) from managed_certificates where id like 'cert-loadtest-scale-%'`),
    ).toBe('0');
    await database.untilNoSession();
  });
});

describe('memory', () => {
  it('does not grow with the number of rows', async () => {
    // What they cost the server is none of it.
    await database.query(`do $$ declare name text; begin
      for name in select indexname from pg_indexes where indexname like 'idx_managed_certificates_%' loop
        execute 'drop index ' || name;
      end loop; end $$`);
    const peakOf = async (rows: number): Promise<number> => {
      const { stdout } = await run(
        ['load', '--certs', String(rows), '--no-settle', '--format', 'json'],
        env(),
      );
      return (JSON.parse(stdout) as { peakRssBytes: number }).peakRssBytes;
    };
    const [small, large] = [await peakOf(20_000), await peakOf(200_000)];
    expect(large).toBeLessThan(150 * 1024 * 1024);
    expect(small).toBeGreaterThan(0.75 * large);
  });
});

describe.skipIf(!hasPsql)('generate', () => {
  it('makes the rows that psql loads as load does', async () => {
    const anchor = new Date(Date.now() - 3_600_000).toISOString().replace('Z', '456Z');
    await database.query('truncate managed_certificates cascade');
    const { stdout: list } = await run(['list', '--format', 'json']);
    const [fixture] = JSON.parse(list) as { columns: string[] }[];
    await promisify(execFile)(
      'bash',
      [
        '-o',
        'pipefail',
        '-c',
        `"$NODE" "$CLI" generate --certs 300 --agents 0 --anchor ${anchor} |
        psql "$URL" -c "\\copy managed_certificates (${fixture?.columns.join(', ') ?? ''}) from stdin (format csv)"`,
      ],
      { env: { ...process.env, NODE: process.execPath, CLI, URL: database.url } },
    );
    expect(await database.query(differenceSql('scale_certs', 300), [anchor])).toEqual([]);
    expect((await run(['verify', '--certs', '300', '--agents', '0'], env())).code).toBe(0);
  });

  it('ends quietly when its reader has seen enough', async () => {
    const { stdout, stderr } = await promisify(execFile)(
      'bash',
      ['-c', `"$NODE" "$CLI" generate --certs 500000 --agents 0 --header | head -n 2`],
      { env: { ...process.env, NODE: process.execPath, CLI } },
    );
    expect(stdout.split('\n')[0]).toMatch(/^id,name,expires_at,common_name,sans,/);
    expect(stderr).toBe('');
  });
});

describe.skipIf(process.platform !== 'linux')('standard output', () => {
  const shell = (script: string): Promise<{ stderr: string }> =>
    promisify(execFile)('bash', ['-o', 'pipefail', '-c', script], {
      env: { ...process.env, NODE: process.execPath, CLI, DATABASE_URL: database.url },
    });

  const [load, verify] = ['load', 'verify'].map((name) => `${name} ${SMALL.join(' ')} --quiet`) as [
    string,
    string,
  ];

  it.each([load, verify, 'list', 'manifest', '--help', 'generate 02_agent_fleet'])(
    'that nobody reads is no failure of %s',
    async (command) => {
      const { stderr } = await shell(`"$NODE" "$CLI" ${command} | true`);
      expect(stderr).not.toMatch(/EPIPE|\n\s+at /);
    },
  );

  it.each([verify, 'list', 'generate 02_agent_fleet'])(
    'that cannot be written is one clear message of %s, and undoes nothing',
    async (command) => {
      await expect(shell(`"$NODE" "$CLI" ${command} > /dev/full`)).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^scale-seed: standard output cannot be written: ENOSPC.*; what was done in the database stands\n$/,
        ) as string,
      });
    },
  );
});
