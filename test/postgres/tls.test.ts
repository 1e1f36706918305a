import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverAccount } from '../../src/embedded/programs.js';
import { startEmbedded, type EmbeddedServer } from '../../src/embedded/index.js';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { resolveTarget } from '../../src/postgres/target.js';
import { hasOpenssl, makeAuthority, makeCertificate } from '../support/certificates.js';
import { run } from '../support/command-line.js';

/** Whom the server lets in, and how. */
const ACCESS = `
hostssl all by_certificate all cert
hostssl all by_both all scram-sha-256 clientcert=verify-ca
hostssl all encrypted all scram-sha-256
hostnossl all in_plain_text all scram-sha-256
host all either,laborious,scale_seed all scram-sha-256
`;

const hasPsql = spawnSync('psql', ['--version']).status === 0;
let folder: string;
let server: EmbeddedServer;
let admin: pg.Client;

async function startServer(): Promise<void> {
  makeAuthority(folder, 'ca');
  makeAuthority(folder, 'other-ca');
  makeCertificate(folder, 'ca', 'server', 'localhost');
  makeCertificate(folder, 'ca', 'client', 'by_certificate');
  makeCertificate(folder, 'other-ca', 'stranger', 'by_certificate');
  await writeFile(join(folder, 'pg_hba.conf'), ACCESS);
  const { uid, gid } = await serverAccount();
  for (const file of ['server.key', 'server.crt', 'ca.crt', 'pg_hba.conf']) {
    if (uid !== undefined && gid !== undefined) await chown(join(folder, file), uid, gid);
  }
  server = await startEmbedded({
    dataDirectory: join(folder, 'server'),
    settings: {
      fsync: 'off',
      ssl: 'on',
      ssl_cert_file: join(folder, 'server.crt'),
      ssl_key_file: join(folder, 'server.key'),
      ssl_ca_file: join(folder, 'ca.crt'),
      hba_file: join(folder, 'pg_hba.conf'),
    },
  });
}

beforeAll(async () => {
  if (!hasOpenssl) return;
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-tls-'));
  // The account that runs root's server has to pass through.
  await chmod(folder, 0o711);
  await startServer();
  admin = new pg.Client({ connectionString: server.url.replace('@', `:${server.password}@`) });
  await admin.connect();
  for (const role of ['by_certificate', 'by_both', 'encrypted', 'in_plain_text', 'either']) {
    await admin.query(`create role ${role} superuser login password 'pw'`);
  }
});

afterAll(async () => {
  if (!hasOpenssl) return;
  await admin.end();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A URL of the server's; parameters that end in a file's name get the folder. */
function urlOf(user: string, query: string, host = 'localhost'): string {
  const parameters = query.replace(/(?<==)(?=[\w-]+\.(crt|key))/g, `${folder}/`);
  return `postgresql://${user}:pw@${host}:${server.port}/certctl?${parameters}`;
}

const loadOn = (databaseUrl: string) =>
  load({ databaseUrl, fixtures: [sizedAgents(1)], settle: false }).then(
    () => 'let in',
    (error: unknown) => error as Error,
  );

const CLIENT = 'sslcert=client.crt&sslkey=client.key';
const STRANGER = 'sslcert=stranger.crt&sslkey=stranger.key';
const CA = 'sslrootcert=ca.crt';

describe.skipIf(!hasOpenssl)('a server with TLS', () => {
  it.each<[string, string, string | RegExp]>([
    ['either', '', 'let in'],
    ['either', 'sslmode=disable', 'let in'],
    ['encrypted', '', 'let in'],
    ['encrypted', 'sslmode=disable', /no pg_hba.conf entry.*no encryption/],
    ['encrypted', 'sslmode=allow', 'let in'],
    ['encrypted', 'sslmode=require', 'let in'],
    ['in_plain_text', '', 'let in'],
    ['in_plain_text', 'sslmode=allow', 'let in'],
    ['in_plain_text', 'sslmode=require', /no pg_hba.conf entry.*SSL encryption/],
    ['encrypted', `sslmode=verify-ca&${CA}`, 'let in'],
    ['encrypted', `sslmode=verify-full&${CA}`, 'let in'],
    ['encrypted', 'sslmode=verify-ca&sslrootcert=other-ca.crt', /self-signed|unable to/],
    ['encrypted', 'sslmode=verify-full&sslrootcert=other-ca.crt', /self-signed|unable to/],
    ['encrypted', 'sslmode=require&sslrootcert=other-ca.crt', /self-signed|unable to/],
    ['by_certificate', `sslmode=verify-full&${CA}&${CLIENT}`, 'let in'],
    ['by_certificate', `sslmode=verify-full&${CA}`, /connection requires a valid client certificate/],
    ['by_certificate', `sslmode=verify-full&${CA}&${STRANGER}`, /unknown ca|ECONNRESET|terminated/],
    ['by_both', `sslmode=verify-full&${CA}&${CLIENT}`, 'let in'],
    ['by_both', `sslmode=verify-full&${CA}`, /connection requires a valid client certificate/],
    ['encrypted', `sslmode=require&${CLIENT}`, 'let in'],
  ])('treats %s with %s as libpq does', async (user, query, outcome) => {
    const url = urlOf(user, query);
    const ours = await loadOn(url);
    if (typeof outcome === 'string') expect(ours).toBe(outcome);
    else {
      expect(ours).toMatchObject({ code: 'connect', phase: 'connect' });
      expect((ours as Error).message).toMatch(outcome);
    }
    if (!hasPsql) return;
    const psql = spawnSync('psql', [url, '-qAtc', 'select'], { env: { ...process.env, HOME: folder } });
    expect(psql.status === 0, String(psql.stderr)).toBe(outcome === 'let in');
  });

  it('lets in by as many iterations as it asks for', async () => {
    if (
      Number(
        (await admin.query<{ v: string }>(`select current_setting('server_version_num') as v`)).rows[0]?.v,
      ) < 160_000
    )
      return;
    await admin.query('set scram_iterations = 150000');
    await admin.query(`create role laborious superuser login password 'pw'`);
    expect(await loadOn(urlOf('laborious', ''))).toBe('let in');
  });

  it('verifies the host, by its name or its address, for verify-full alone', async () => {
    expect(await loadOn(urlOf('encrypted', `sslmode=verify-ca&${CA}`, '127.0.0.1'))).toBe('let in');
    expect(await loadOn(urlOf('encrypted', `sslmode=verify-full&${CA}`, '127.0.0.1'))).toMatchObject({
      code: 'connect',
      message: expect.stringContaining('IP: 127.0.0.1 is not in the cert') as string,
    });
  });

  it('starts with TLS where it is told to, and says so where the server cannot', async () => {
    const version = Number(
      (await admin.query<{ v: string }>(`select current_setting('server_version_num') as v`)).rows[0]?.v,
    );
    const outcome = await loadOn(urlOf('encrypted', 'sslmode=require&sslnegotiation=direct'));
    if (version >= 170_000) expect(outcome).toBe('let in');
    else expect(outcome).toMatchObject({ code: 'connect' });
  });

  it('encrypts where nothing is asked for', async () => {
    let seen: unknown;
    const agents = sizedAgents(2);
    const rows = async function* (first: number, last: number) {
      const sql = `select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'scale-seed'`;
      seen = (await admin.query(sql)).rows[0];
      yield* agents.rows(first, last);
    };
    await load({ databaseUrl: urlOf('either', ''), fixtures: [{ ...agents, rows }], settle: false });
    expect(seen).toEqual({ ssl: true });
  });

  it.each<[string, () => string, number, RegExp]>([
    [
      'another CA',
      () => urlOf('encrypted', 'sslmode=verify-full&sslrootcert=other-ca.crt'),
      1,
      /^scale-seed: cannot connect to postgresql:\/\/encrypted@localhost:\d+\/certctl: .*certificate.*\n {2}now: nothing was changed\n {2}try: sslrootcert must name the CA/m,
    ],
    [
      'another host',
      () => urlOf('encrypted', `sslmode=verify-full&${CA}`, '127.0.0.1'),
      1,
      /IP: 127.0.0.1 is not in the cert's list.*\n {2}now: nothing was changed\n {2}try: .* the certificate must be for the URL's host/,
    ],
    [
      'a CA that is none',
      () => urlOf('encrypted', 'sslmode=verify-full&sslrootcert=client.key'),
      2,
      /a certificate or key cannot be used: /,
    ],
    [
      'a key of another certificate',
      () => urlOf('by_certificate', `sslmode=verify-full&${CA}&sslcert=client.crt&sslkey=stranger.key`),
      2,
      /a certificate or key cannot be used: .*mismatch/,
    ],
  ])('%s is one clear message, at once', async (_, url, code, message) => {
    const outcome = await run(['load', '--wait', '1h', '--database-url', url()]);
    expect(outcome.stderr).toMatch(message);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).not.toMatch(/waiting|pw@|\n\s+at /);
  });

  it('is met with the files in ~/.postgresql where the URL names none', async () => {
    const home = join(folder, 'home');
    await mkdir(join(home, '.postgresql'), { recursive: true });
    const files = { 'ca.crt': 'root.crt', 'client.crt': 'postgresql.crt', 'client.key': 'postgresql.key' };
    for (const [from, to] of Object.entries(files)) {
      spawnSync('cp', ['-p', join(folder, from), join(home, '.postgresql', to)]);
    }
    const url = urlOf('by_certificate', 'sslmode=verify-full');
    const outcome = await run(['load', '02_agent_fleet', '--database-url', url], { HOME: home });
    expect(outcome).toMatchObject({ code: 0 });
  });
});

describe.skipIf(!hasOpenssl)('verify-full takes a certificate for', () => {
  it.each([
    ['db.example.test', 'db.example.test', true],
    ['db.example.test', 'DB.Example.test', true],
    ['*.example.test', 'db.example.test', true],
    ['*.example.test', 'a.db.example.test', false],
    ['*.example.test', 'example.test', false],
    ['d*.example.test', 'db.example.test', false],
    ['db.example.test', 'db.example.test.', false],
    ['db.example.test.', 'db.example.test', false],
    ['127.0.0.1', '127.0.0.1', false],
  ])('%s where the host is %s: %s', async (name, host, taken) => {
    const own = await mkdtemp(join(tmpdir(), 'scale-seed-names-'));
    makeAuthority(own, 'ca');
    makeCertificate(own, 'ca', 'named', name);
    const url = `postgresql://u@${host}/d?sslmode=verify-full&sslrootcert=${join(own, 'ca.crt')}`;
    const { ssl } = resolveTarget(url, {}).servers[0]!.config;
    const certificate = new X509Certificate(readFileSync(join(own, 'named.crt'))).toLegacyObject();
    await rm(own, { recursive: true });
    const error = ssl && ssl.checkServerIdentity?.(host, certificate);
    expect(error === undefined).toBe(taken);
  });
});
