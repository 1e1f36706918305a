import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ScaleSeedError } from '../src/errors.js';
import { run, start } from './support/command-line.js';
import { useDatabase } from './support/database.js';
import { runInProcess } from './support/in-process.js';

const database = useDatabase();

/** All that has a meaning in a URL, a password file or a shell. */
const PASSWORD = `S3cr3t/?#%41&=+:@\\ '"$x;é`;

/** What a password may look like when it gets out. */
const DISGUISES = [
  PASSWORD,
  encodeURIComponent(PASSWORD),
  new URLSearchParams({ p: PASSWORD }).toString().slice(2),
  JSON.stringify(PASSWORD).slice(1, -1),
  Buffer.from(PASSWORD).toString('base64').slice(0, 12),
  'S3cr3t',
];

let folder: string;
let role: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-secrets-'));
  role = await database.role();
  await database.query(`alter role ${role} password '${PASSWORD.replaceAll("'", "''")}'`);
  await database.query(`grant all on all tables in schema public to ${role}`);
  const escaped = PASSWORD.replace(/[\\:]/g, '\\$&');
  await writeFile(join(folder, 'passfile'), `*:*:*:${role}:${escaped}\n`, { mode: 0o600 });
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Every way to give the password: the URL, and the variables beside it. */
function logins(change: (url: URL) => unknown = () => undefined): [string, Record<string, string>][] {
  const url = new URL(database.url);
  url.username = role;
  url.password = '';
  change(url);
  const withParameter = (parameter: string): string =>
    `${url.href}${url.search === '' ? '?' : '&'}${parameter}`;
  const encoded = encodeURIComponent(PASSWORD);
  return [
    [url.href.replace('@', `:${encoded}@`), {}],
    [withParameter(`password=${encoded}`), {}],
    [url.href, { PGPASSWORD: PASSWORD }],
    [withParameter(`passfile=${encodeURIComponent(join(folder, 'passfile'))}`), {}],
    [url.href, { PGPASSFILE: join(folder, 'passfile') }],
  ];
}

/** Runs a command and searches every byte that it prints or writes for the password. */
async function search(
  args: readonly string[],
  env: Record<string, string>,
  how = runInProcess,
): Promise<number | null> {
  const output = join(folder, 'report.json');
  const { code, stdout, stderr } = await how([...args, '--output', output], env);
  const written = await readFile(output, 'utf8').catch(() => '');
  await rm(output, { force: true });
  for (const disguise of DISGUISES) expect(stdout + stderr + written).not.toContain(disguise);
  return code;
}

describe.each([
  ['in the URL', 0],
  ['in the query', 1],
  ['in PGPASSWORD', 2],
  ['in the password file', 3],
  ['in PGPASSFILE', 4],
])('a password %s', (_way, way) => {
  const login = (change?: (url: URL) => unknown): [string, Record<string, string>] => {
    const [url, env] = logins(change)[way]!;
    return [url, { ...env, DATABASE_URL: url }];
  };

  it.each([
    [['load', '--format', 'json', '--verify'], run],
    [['load', '--format', 'markdown', '--mode', 'exclusive'], runInProcess],
    [['verify', '--format', 'text'], runInProcess],
    [['reset', '--format', 'json'], runInProcess],
    [['clean', '--yes'], runInProcess],
  ])('is not printed by %j', async (args, how) => {
    const [, env] = login();
    expect(await search([...args, '--certs', '50', '--agents', '20'], env, how)).toBe(0);
  });

  it.each<[string, (url: URL) => unknown]>([
    ['of a database that is not there', (url) => (url.pathname = '/nowhere')],
    ['of a server that is not there', (url) => (url.port = '1')],
    ['of a host that is not there', (url) => (url.hostname = 'no.invalid')],
    ['of a role that is not there', (url) => (url.username = 'nobody')],
    ['with a certificate that is not there', (url) => (url.search = 'sslrootcert=/nowhere')],
    [
      'with a parameter that is not understood',
      (url) => (url.search = `pasword=${encodeURIComponent(PASSWORD)}`),
    ],
  ])('is not printed in the error %s', async (_, change) => {
    const [, env] = login(change);
    expect(await search(['load'], env)).not.toBe(0);
  });
});

describe('a password that stands where none belongs', () => {
  const urls = [
    'postgresql://u:S3cr3t@h/d',
    'postgres://u:S3cr3t/@:?#%41@h:5432/d',
    "postgresql://u:S3cr3t it's@h/d",
    'postgresql://h/d?password=S3cr3t&sslmode=require',
    "host=h password='S3cr3t it' dbname=d",
    'host=h sslpassword=S3cr3t',
    'u:S3cr3t@h/d',
    '//u:S3cr3t@h/d',
    'postgresql://u:12/S3cr3t@h/d',
  ];

  it.each<[string, (url: string) => string[], how?: typeof run]>([
    ['a fixture', (url) => ['load', url]],
    ['a command', (url) => [url]],
    ['a command before another', (url) => [url, 'load']],
    ['an option that is mistyped', (url) => ['load', `--databse-url=${url}`]],
    ['an option of no value', (url) => ['load', `--embedded=${url}`]],
    ['an option before the command', (url) => [`--database-url=${url}`, 'load']],
    ['a schema', (url) => ['load', '--schema', url, '--database-url', database.url]],
    ['a duration', (url) => ['load', '--timeout', url]],
    ['a choice', (url) => ['load', '--set', url]],
    ['a file', (url) => ['load', '--output', `${url}/x`, '--database-url', database.url]],
    ['a fixture’s file', (url) => ['load', '--fixture', url, '--database-url', database.url], run],
    ['a directory', (url) => ['db', 'start', '--data-directory', `/proc/${url}`]],
    ['the name of an output', (url) => ['ci', url, '--junit', join(folder, 'j.xml')]],
  ])('is not printed of %s', async (_, args, how = runInProcess) => {
    for (const url of urls) {
      const { code, stdout, stderr } = await how(args(url), { GITHUB_ACTIONS: 'true' });
      const written = await readFile(join(folder, 'j.xml'), 'utf8').catch(() => '');
      expect(stdout + stderr + written).not.toContain('S3cr3t');
      expect(stderr).toMatch(/^scale-seed: (?!unexpected)/m);
      expect(code).not.toBe(0);
    }
  });

  it.each([
    ['a port is none', 'no server at postgresql://u@h:5432/d, nor at postgresql://u@g:5433/d: ask a@b'],
    ['nor is an address', 'no server at postgresql://u@[::1]:5432/d'],
    ['nor what stands beside an address', 'row 5: name@example.test, and 10:30 at a@b'],
  ])('%s', (_, message) => {
    expect(new ScaleSeedError(message, { code: 'connect', phase: 'connect' }).message).toBe(message);
  });
});

describe.skipIf(process.platform !== 'linux')('a command line that holds a password', () => {
  it('is not to be seen while the command runs, nor is its environment by others', async () => {
    const [url = ''] = logins()[0] ?? [];
    const loading = start([
      'load',
      '02_agent_fleet',
      '--schema',
      'nowhere',
      '--wait',
      '30s',
      '--database-url',
      url,
    ]);
    await loading.saw('waiting: there is no schema nowhere');
    const seen = await Promise.all(
      (await readdir('/proc'))
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    loading.kill('SIGTERM');
    await loading.outcome;
    expect(seen).toContainEqual(expect.stringMatching(/^scale-seed\0*$/));
    for (const disguise of DISGUISES) expect(seen.join('\n')).not.toContain(disguise);
  });
});
