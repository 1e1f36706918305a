import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { serverAccount } from '../../src/embedded/programs.js';
import { makeAuthority, makeCertificate } from './certificates.js';

/** Programs of Debian's PostgreSQL 15. */
const PROGRAMS = '/usr/lib/postgresql/15/bin';

export const hasServer = existsSync(join(PROGRAMS, 'postgres'));

/** Whom the servers let in: roles are named for the way. */
const ACCESS = `
local all all trust
hostssl all by_certificate all cert
hostnossl all by_certificate all scram-sha-256
hostssl all by_either all cert
host all by_either all scram-sha-256
hostssl all encrypted all scram-sha-256
hostnossl all in_plain_text all scram-sha-256
host all either,otherwise,with@at all scram-sha-256
host all cleartext all password
host all trusted,${userInfo().username} all trust
`;

/** A primary and a standby of it that stands still, on 127.0.0.1, ::1 and sockets, both with TLS. */
export interface TwoServers {
  folder: string;
  primary: number;
  standby: number;
  stop: () => Promise<void>;
}

export async function startTwoServers(): Promise<TwoServers> {
  const folder = mkdtempSync(join(tmpdir(), 'scale-seed-two-'));
  chmodSync(folder, 0o755);
  const account = await serverAccount();
  makeAuthority(folder, 'ca');
  makeAuthority(folder, 'other-ca');
  makeCertificate(folder, 'ca', 'server', 'localhost');
  makeCertificate(folder, 'ca', 'client', 'by_certificate');
  writeFileSync(join(folder, 'pg_hba.conf'), ACCESS);
  for (const data of ['primary', 'standby']) mkdirSync(join(folder, data), { mode: 0o700 });
  for (const name of ['', 'primary', 'standby', 'server.key', 'pg_hba.conf'])
    if (account.uid !== undefined) chownSync(join(folder, name), account.uid, account.gid!);
  const initdb = [
    '-D',
    join(folder, 'primary'),
    '-U',
    'trusted',
    '-A',
    'trust',
    '-N',
    '--locale=C',
    '-E',
    'UTF8',
  ];
  const made = spawnSync(join(PROGRAMS, 'initdb'), initdb, { ...account, cwd: '/' });
  if (made.status !== 0) throw new Error(String(made.stderr));
  const [primary, standby] = [await freePort(), await freePort()];
  const first = await startServer(folder, 'primary', primary, account);
  await fill(primary);
  await stopServer(first);
  cpSync(join(folder, 'primary'), join(folder, 'standby'), { recursive: true });
  writeFileSync(join(folder, 'standby', 'standby.signal'), '');
  if (account.uid !== undefined)
    spawnSync('chown', ['-R', `${account.uid}:${account.gid}`, join(folder, 'standby')]);
  const servers = [
    await startServer(folder, 'primary', primary, account),
    await startServer(folder, 'standby', standby, account),
  ];
  return {
    folder,
    primary,
    standby,
    stop: async () => {
      await Promise.all(servers.map(stopServer));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startServer(
  folder: string,
  name: string,
  port: number,
  account: Awaited<ReturnType<typeof serverAccount>>,
): Promise<ChildProcess> {
  const settings = {
    cluster_name: name,
    port,
    listen_addresses: '127.0.0.1,::1',
    unix_socket_directories: folder,
    unix_socket_permissions: '0777',
    hba_file: join(folder, 'pg_hba.conf'),
    ssl: 'on',
    ssl_cert_file: join(folder, 'server.crt'),
    ssl_key_file: join(folder, 'server.key'),
    ssl_ca_file: join(folder, 'ca.crt'),
    fsync: 'off',
  };
  const flags = Object.entries(settings).flatMap(([setting, value]) => ['-c', `${setting}=${value}`]);
  const server = spawn(join(PROGRAMS, 'postgres'), ['-D', join(folder, name), ...flags], {
    ...account,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // However this process ends, it does not outlive it.
  process.once('exit', () => server.kill('SIGQUIT'));
  let log = '';
  await new Promise<void>((resolve, reject) => {
    server.stderr.on('data', (text) => {
      log += String(text);
      if (log.includes('ready to accept')) resolve();
    });
    server.once('exit', () => {
      reject(new Error(log));
    });
  });
  return server;
}

async function stopServer(server: ChildProcess): Promise<void> {
  server.kill('SIGINT');
  await once(server, 'exit');
}

async function fill(port: number): Promise<void> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'trusted',
    database: 'postgres',
    password: '-',
  });
  await client.connect();
  const own = userInfo().username;
  for (const role of ['by_certificate', 'by_either', 'encrypted', 'in_plain_text', 'either', 'cleartext'])
    await client.query(`create role ${role} superuser login password 'pw'`);
  await client.query(`create role otherwise login password 'other:pw\\'`);
  await client.query(`create role "with@at" login password 'p@/w'`);
  await client.query(`create role ${client.escapeIdentifier(own)} login`);
  for (const name of ['fleet', 'either', 'read_only', own, 'with/slash', 'with@at', 'closed'])
    await client.query(`create database ${client.escapeIdentifier(name)}`);
  await client.query('alter database closed allow_connections false');
  await client.query('alter database read_only set default_transaction_read_only = on');
  await client.end();
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
