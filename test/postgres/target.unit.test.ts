import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultHost } from '../../src/postgres/hosts.js';
import { resolveTarget } from '../../src/postgres/target.js';
import { run } from '../support/command-line.js';

const resolve = (text: string | undefined, env: Record<string, string> = {}) =>
  resolveTarget(text, { HOME: '/nowhere', ...env });

describe('resolveTarget', () => {
  it('takes the URL, else DATABASE_URL, else PG*', () => {
    const env = { DATABASE_URL: 'postgresql://env@two/b', PGHOST: 'three', PGDATABASE: 'c', PGUSER: 'u' };
    const { DATABASE_URL: _, ...variables } = env;
    expect(resolve('postgres://given@one:1/a', env).display).toBe('postgresql://given@one:1/a');
    expect(resolve(undefined, env).display).toBe('postgresql://env@two:5432/b');
    expect(resolve(undefined, variables).display).toBe('postgresql://u@three:5432/c');
  });

  it.each([['PGHOST'], ['PGPORT'], ['PGUSER'], ['PGDATABASE'], ['PGHOSTADDR']])(
    'finds a database named by %s alone',
    (variable) => {
      const value = { PGPORT: '5433', PGHOSTADDR: '127.0.0.1' }[variable] ?? 'x';
      expect(resolve(undefined, { [variable]: value }).servers).toHaveLength(1);
    },
  );

  it.each<[string, string | undefined, Record<string, string>, RegExp]>([
    ['nothing', undefined, {}, /^no database is named$/],
    ['how to log in alone', undefined, { PGPASSWORD: 'pw', PGSSLMODE: 'require' }, /^no database is named$/],
    ['variables that are empty', undefined, { PGHOST: '', PGUSER: '' }, /^no database is named$/],
    ['an empty DATABASE_URL', undefined, { DATABASE_URL: '' }, /DATABASE_URL is set, but empty/],
    [
      'an empty DATABASE_URL beside PG*',
      undefined,
      { DATABASE_URL: '', PGHOST: 'h' },
      /DATABASE_URL is set, but empty/,
    ],
    ['an empty URL', '', { DATABASE_URL: 'postgresql://u@h/d' }, /--database-url is empty/],
  ])('is told of %s', (_, text, env, message) => {
    const told = { code: 'usage', hint: expect.stringMatching(/DATABASE_URL.*PGHOST.*--embedded/) as string };
    expect(() => resolve(text, env)).toThrow(
      expect.objectContaining({ ...told, message: expect.stringMatching(message) as string }),
    );
  });

  it('never shows a password', () => {
    const target = resolve('postgresql://u:s3cret@h/d?sslmode=disable&password=s3cret');
    expect(target.display).toBe('postgresql://u@h:5432/d');
    for (const bad of [
      'mysql://u:s3cret@h/d',
      's3cret',
      'postgresql://u:s3cret@h:notaport/d',
      'postgresql://u:12/s3cret@h/d',
      'postgresql://u:p@s3cret@h/d',
      'postgresql://u:s3cret%@h/d',
      'postgresql://u:s3cret%00@h/d',
      'postgresql://u@h/d?password=p&s3cret=1',
      'host=h password=p s3cret=1',
      "host=h password='s3cret",
      'postgres://u:/s3cret==@127.0.0.1:5731/d',
      'postgres://127.0.0.1:57/s3cr=s3cret@db:5432/d',
      'postgres://u:/=s3cret@h/d?sslmode=prefer',
      'postgres:/u:s3cret@h/d?sslmode=require',
      'postgresql://u:p@s/s3cret@127.0.0.1:5432/d',
      'postgresql://u:p@s:1/s3cret@127.0.0.1:5432/d',
      'postgresql://u:p@s?s3cret@127.0.0.1:5432/d',
      'postgresql://u:p@s?host=s3cret@127.0.0.1:5432/d',
      'postgresql://u:p@s,s3cret@127.0.0.1:5432/d',
      'postgresql://u:p@@s3cret@127.0.0.1:5432/d',
      'postgresql://me@there:12/s3cret@h/d',
      'host=u:s3cret@h',
      'dbname=postgresql://u:s3cret@h/d',
      'postgresql://u@h/d?sslpassword=p&s3cret=1',
      'host=h sslpassword=p s3cret=1',
      'host=h oauth_client_secret=p s3cret=1',
      'host=h scram_client_key=p s3cret=1',
      'postgresql://u@h/d?sslcert=CERT&sslkey=s3cret&sslmode=require'.replace('CERT', import.meta.filename),
    ]) {
      expect(() => resolve(bad), bad).toThrow(
        expect.objectContaining({
          code: 'configuration',
          message: expect.not.stringContaining('s3cret') as string,
        }),
      );
    }
  });

  it.each(['per%20cent', 'who?', 'two words', 'a/b&c=d', "it's", 'ünï', 'two\nlines', '\u001b[31m'])(
    'shows a URL that names the database %j',
    (name) => {
      for (const host of ['h', '/nowhere']) {
        const { display } = resolve(undefined, { PGHOST: host, PGUSER: 'u u', PGDATABASE: name });
        const config = { host, user: 'u u', database: name };
        expect(resolve(display)).toMatchObject({ display, servers: [{ config }] });
        expect(display).not.toMatch(/[\s\p{Cc}]/u);
      }
    },
  );

  it.each([
    'postgresql://u@h/d ',
    'postgresql://u@h/d\n',
    'postgresql://u:p w@h/d',
    'postgresql://u@h/d?host= x',
  ])('takes no blank in a URL, which every libpq reads in its own way: %j', (text) => {
    expect(() => resolve(text)).toThrow(/^the database URL is not a PostgreSQL connection string$/);
  });

  it('has another way only where libpq has one', () => {
    const choices = (query: string): unknown[] => {
      const [server] = resolve(`postgresql://u@h/d${query}`).servers;
      return [server?.config.ssl, server?.otherSsl];
    };
    const tls = expect.objectContaining({ rejectUnauthorized: false }) as object;
    expect(choices('')).toEqual([tls, false]);
    expect(choices('?sslmode=disable')).toEqual([false, undefined]);
    expect(choices('?sslmode=prefer')).toEqual([tls, false]);
    expect(choices('?sslmode=allow')).toEqual([false, tls]);
    expect(choices('?sslmode=require')).toEqual([tls, undefined]);
    expect(choices('?sslmode=require&host=/var/run/postgresql')).toEqual([false, undefined]);
  });

  it.each([
    ['?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem', '/nowhere/ca.pem'],
    ['?sslmode=require&sslcert=/nowhere/me.crt', '/nowhere/me.crt'],
    ['?sslcert=/nowhere/me.crt', '/nowhere/me.crt'],
    [`?sslcert=${import.meta.filename}`, 'sslcert needs sslkey'],
    ['?sslcert=/dev/null&sslkey=/tmp', 'EISDIR'],
  ])('says which file of %s cannot be used', (query, file) => {
    expect(() => resolve(`postgresql://u@h/d${query}`)).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: expect.stringContaining(file) as string,
        cause: expect.any(Error) as Error,
      }),
    );
  });

  it.each(['0', '65536', '-1', '1.5', '5432x', '0x10', '1e3'])('takes no %j for a port', (port) => {
    const refused = expect.objectContaining({
      code: 'configuration',
      message: 'the port is not a whole number from 1 to 65535',
    }) as Error;
    expect(() => resolve(`host=h port='${port}'`)).toThrow(refused);
  });

  it.each([
    ['', {}, { application_name: 'scale-seed', enableChannelBinding: true }],
    ['fallback_application_name=by-another', {}, { application_name: 'by-another' }],
    ['application_name=me&fallback_application_name=by-another', {}, { application_name: 'me' }],
    ['', { PGAPPNAME: 'me' }, { application_name: 'me' }],
    ['application_name=', { PGAPPNAME: 'me' }, { application_name: '' }],
    ['channel_binding=disable', {}, { enableChannelBinding: false }],
    ['sslmode=disable', {}, { enableChannelBinding: false }],
    ['connect_timeout=3&keepalives=0', {}, { connectionTimeoutMillis: 3000, keepAlive: false }],
    ['', {}, { connectionTimeoutMillis: 10_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 }],
  ])('configures the driver by %s %j', (query, env, config) => {
    expect(resolve(`postgresql://u@h/d?${query}`, env).servers[0]?.config).toMatchObject(config);
  });

  it('takes the usual folder of sockets for localhost in a password file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'scale-seed-target-'));
    const passfile = join(folder, 'passwords');
    await writeFile(passfile, `${defaultHost()}:*:*:*:no\nlocalhost:*:*:*:yes\n`, { mode: 0o600 });
    const passwordAt = (host: string): unknown =>
      resolve(`host=${host} user=u dbname=d passfile=${passfile}`).servers[0]?.config.password;
    expect(passwordAt(defaultHost())).toBe('yes');
    expect(passwordAt('localhost')).toBe('yes');
    await rm(folder, { recursive: true });
  });

  it('takes a backslash at the end of a password for itself, as psql does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'scale-seed-target-'));
    const passfile = join(folder, 'passwords');
    await writeFile(passfile, '*:*:*:*:pw\\\n', { mode: 0o600 });
    expect(resolve(`host=h user=u passfile=${passfile}`).servers[0]?.config.password).toBe('pw\\');
    await rm(folder, { recursive: true });
  });

  it('tells what it passes over', () => {
    const url = 'postgresql://u@h/d?keepalives_count=3&tcp_user_timeout=900';
    expect(resolve(url).warnings).toEqual([
      'keepalives_count has no effect here',
      'tcp_user_timeout has no effect here',
    ]);
    expect(resolve('postgresql://u@h/d?passfile=/dev/null').warnings).toEqual([
      'the password file /dev/null is passed over: it is no plain file',
    ]);
  });

  it('passes a password file over that cannot even be looked at, as psql does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'scale-seed-target-'));
    await symlink('loop', join(folder, 'loop'));
    const { warnings, servers } = resolve(`postgresql://u@h/d?passfile=${join(folder, 'loop')}`);
    expect([warnings, servers.length]).toEqual([[], 1]);
    await rm(folder, { recursive: true });
  });

  it.each([
    ['3000000', 2_147_483_000],
    ['2147483647', 2_147_483_000],
    ['7', 7_000],
    ['-1', 0],
  ])('waits for a connection of %s seconds no longer than a timer can', (seconds, ms) => {
    const [server] = resolve(`postgresql://u@h/d?connect_timeout=${seconds}`).servers;
    expect(server?.config.connectionTimeoutMillis).toBe(ms);
  });
});

describe('a command that nobody names a database for', () => {
  it.each(['load', 'verify', 'reset', 'clean', 'ci', 'manifest'])(
    '%s says how to name one',
    async (command) => {
      for (const env of [{}, { DATABASE_URL: '' }]) {
        const outcome = await run([command], env);
        expect(outcome).toMatchObject({ code: 2, stdout: '' });
        expect(outcome.stderr).toMatch(
          /no database is named.*\n {2}try: .*--database-url.*PGHOST.*--embedded/,
        );
      }
    },
  );
});
