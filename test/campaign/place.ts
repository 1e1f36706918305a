import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  embeddedStatus,
  startEmbedded,
  stopEmbedded,
  type EmbeddedServer,
} from '../../src/embedded/index.js';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';

/** What stands of the fleet before a trial: nothing, its first third, or that third with holes in it. */
export const STANDING = ['none', 'third', 'holes'] as const;
export type Standing = (typeof STANDING)[number];

/** How many rows of each kind a trial loads; a third of them must be a whole number. */
export interface FleetSize {
  certs: number;
  agents: number;
}

/** Name and password of the role that loads: it owns the tables, and no more. */
export const LOADER = { user: 'loader', password: 'pw-of-the-loader' } as const;

/** A server of the campaign's own, which may be crashed, and whose disk may be filled. */
export interface Place {
  fleet: FleetSize;
  /** Why the disk cannot be filled here; undefined where it can. */
  noFullDisk: string | undefined;
  port: () => number;
  /** Makes a database for a trial. */
  create: (name: string, standing: Standing) => Promise<void>;
  drop: (name: string) => Promise<void>;
  /** A connection that is nobody's but the campaign's. */
  client: (database?: string) => Promise<pg.Client>;
  /** Rows of one statement, by a connection of its own, since the server may have gone since the last. */
  query: <R extends pg.QueryResultRow>(database: string, sql: string, values?: unknown[]) => Promise<R[]>;
  /** Stops the server as a power cut would, as far as it can tell, and waits until it has gone. */
  crash: () => Promise<void>;
  /** Starts the server where it has gone, and waits until it lets clients in. */
  revive: () => Promise<void>;
  /** Fills the disk up to so many bytes; what is returned empties it again. */
  fillDisk: (bytesLeft: number) => Promise<() => Promise<void>>;
  close: () => Promise<void>;
}

const SETTINGS = {
  fsync: 'off',
  // Little is kept of the log, so that it neither fills the disk by itself nor has room to spare where that is full.
  max_wal_size: '64MB',
  min_wal_size: '32MB',
  checkpoint_timeout: '1h',
};

/** Starts the campaign's server, on a small disk of its own where mounting one is allowed. */
export async function preparePlace(fleet: FleetSize): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'scale-seed-campaign-'));
  // The account that runs root's server has to pass through.
  await chmod(root, 0o711);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=768m,mode=0711', 'tmpfs', root], {
    encoding: 'utf8',
  });
  let server: EmbeddedServer;

  async function revive(): Promise<void> {
    const { running } = await embeddedStatus({ dataDirectory: root });
    if (!running)
      server = await startEmbedded({
        dataDirectory: root,
        settings: SETTINGS,
        keepRunning: true,
      });
    await until(async () => (await client('postgres')).end());
  }

  async function client(database = 'postgres'): Promise<pg.Client> {
    const opened = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      user: 'scale_seed',
      password: server.password,
      database,
      application_name: 'campaign',
    });
    opened.on('error', () => undefined);
    await opened.connect();
    return opened;
  }

  async function query<R extends pg.QueryResultRow>(
    database: string,
    sql: string,
    values: unknown[] = [],
  ): Promise<R[]> {
    const opened = await client(database);
    try {
      return (await opened.query<R>(sql, values)).rows;
    } finally {
      await opened.end();
    }
  }

  async function close(): Promise<void> {
    await stopEmbedded({ dataDirectory: root });
    if (mounted.status === 0) spawnSync('umount', [root]);
    await rm(root, { recursive: true, force: true });
  }

  try {
    await revive();
    await query('postgres', `create role ${LOADER.user} login password '${LOADER.password}'`);
    if (server!.version >= '15')
      await query('postgres', `grant set on parameter session_replication_role to ${LOADER.user}`);
    for (const standing of STANDING) await makeTemplate(standing, fleet, query, () => server);
  } catch (error) {
    await close();
    throw error;
  }

  return {
    fleet,
    noFullDisk: mounted.status === 0 ? undefined : `no file system can be mounted here: ${mounted.stderr}`,
    port: () => server.port,
    query,
    client,
    revive,
    create: async (name, standing) => {
      await query('postgres', `create database ${name} template ${templateOf(standing)}`);
    },
    drop: async (name) => {
      await query('postgres', `drop database ${name} with (force)`);
    },
    crash: async () => {
      const { pid } = await embeddedStatus({ dataDirectory: root });
      if (pid !== undefined) process.kill(pid, 'SIGQUIT');
      await until(async () => {
        if ((await embeddedStatus({ dataDirectory: root })).running) throw new Error('the server still runs');
      });
    },
    fillDisk: (bytesLeft) => fillDisk(root, bytesLeft),
    close,
  };
}

const templateOf = (standing: Standing): string => `template_${standing}`;

/** Tables that belong to the loader, rows of somebody else's in them, and so much of the fleet. */
async function makeTemplate(
  standing: Standing,
  { certs, agents }: FleetSize,
  query: Place['query'],
  server: () => EmbeddedServer,
): Promise<void> {
  const name = templateOf(standing);
  await query('postgres', `create database ${name}`);
  await query(name, SCHEMA_SQL);
  await query(
    name,
    `create table jobs (id text primary key, certificate_id text references managed_certificates on delete cascade);
     create table agent_group_members (agent_id text references agents on delete cascade)`,
  );
  await query(name, `grant all on schema public to ${LOADER.user}`);
  await query(
    name,
    `do $$ declare t record; begin
       for t in select oid::regclass as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
       loop execute format('alter table %s owner to ${LOADER.user}', t.name); end loop; end $$`,
  );
  const url = new URL(server().url.replace('@', `:${server().password}@`));
  url.pathname = name;
  const share = standing === 'none' ? 0 : 1 / 3;
  await load({
    databaseUrl: url.href,
    fixtures: [sizedCertificates(certs * share), sizedAgents(agents * share)],
    createParents: true,
  });
  await query(
    name,
    `insert into agents (id, name, hostname, api_key_hash)
     select 'own-' || g, 'own-' || g, 'h', 'x' from generate_series(1, 100) as g`,
  );
  // What a run has left.
  await query(
    name,
    `update managed_certificates set status = 'Renewing' where id like 'cert-loadtest-scale-%2';
     update agents set status = 'Offline' where id like 'ag-scale-%2';
     insert into jobs select 'job-' || id, id from managed_certificates where id like 'cert-loadtest-scale-%1';
     insert into agent_group_members select id from agents where id like 'ag-scale-%1'`,
  );
  if (standing === 'holes') {
    await query(name, `delete from managed_certificates where right(id, 2) = '77'`);
    await query(name, `delete from agents where id like 'ag-scale-%33'`);
  }
}

/** Leaves so many bytes free, by a file that takes up all others. */
async function fillDisk(root: string, bytesLeft: number): Promise<() => Promise<void>> {
  const ballast = join(root, 'ballast');
  const file = await open(ballast, 'w', 0o600);
  const block = Buffer.alloc(1024 * 1024);
  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(root);
    return bavail * bsize - bytesLeft;
  };
  for (let rest = await free(); rest > 0; rest = await free()) {
    await file.write(block.subarray(0, Math.min(rest, block.length)));
    if (rest < 4096) break;
  }
  await file.close();
  return () => rm(ballast, { force: true });
}

/** Tries until it succeeds. */
export async function until(attempt: () => Promise<unknown>, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(20);
    }
  }
}
