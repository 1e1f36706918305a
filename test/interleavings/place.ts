import { rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded, type EmbeddedServer } from '../../src/embedded/index.js';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { chooseFixtures } from '../../src/fixtures/registry.js';
import { load } from '../../src/operations/load.js';
import { seedParents } from '../../src/postgres/seed-parents.js';
import DEPENDENT_TABLES_SQL from '../support/dependent-tables.sql';
import { OTHERS } from '../support/leftovers.js';
import { readRows, readSchema, type Schema, type State } from './history.js';

/** Certificates fill two batches, the missing half of them too. */
export const SIZE = { certs: 2100, agents: 40 } as const;
/** So many certificates and agents stand in a fleet that is half loaded. */
export const HALF = { certs: SIZE.certs / 2, agents: SIZE.agents / 2 } as const;

/** So many certificates has a larger fleet. */
const BEYOND = 3150;

/** What stands: nothing, not even parents, the first half, that and a larger fleet's further rows, all, or all but one row. */
const STANDING = ['none', 'orphan', 'half', 'beyond', 'full', 'gap'] as const;
export type Standing = (typeof STANDING)[number];

/** Members of the tables' owner, of which one may check foreign keys by set, and a role with no more rights than it needs. */
export const ROLES = { set: 'loader_by_set', row: 'loader_by_row', bare: 'loader_with_bare_rights' } as const;
export type Check = keyof typeof ROLES;

const MEMORY = '/dev/shm';
const NEEDED_BYTES = 4 * 1024 ** 3;

export const OWNER = 'fleet_owner';

/** A connection that is nobody's but the tester's. */
export interface Connection {
  client: pg.Client;
  query: <R extends pg.QueryResultRow>(sql: string, values?: unknown[]) => Promise<R[]>;
}

/** A server whose log of changes can be read, with a template for each standing. */
export interface Place {
  version: string;
  port: number;
  schema: Schema;
  rowsOf: (standing: Standing) => State;
  urlOf: (database: string, role: Check, port: number) => string;
  /** Makes a database. */
  create: (database: string, standing: Standing) => Promise<void>;
  drop: (database: string) => Promise<void>;
  connect: (database: string) => Promise<Connection>;
  close: () => Promise<void>;
}

const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  wal_level: 'logical',
  autovacuum: 'off',
  deadlock_timeout: '100ms',
  max_wal_size: '1GB',
};

/** What a run has left hanging on the first rows. */
const LEFTOVERS = `
  insert into jobs select 'job-' || right(c.id, 2), c.id, 'ag-scale-' || right(c.id, 8), null
    from managed_certificates as c where id between 'cert-loadtest-scale-00000001' and 'cert-loadtest-scale-00000010';
  insert into jobs select 'agent-job-' || right(id, 2), null, id, null
    from agents where id between 'ag-scale-00000001' and 'ag-scale-00000005';
  insert into certificate_versions select 'version-' || right(id, 2), certificate_id from jobs where id like 'job-0%' and certificate_id <> 'mc-real';
  insert into issuance_approval_requests select 'approval-' || right(id, 2), certificate_id, id from jobs where id in ('job-01', 'job-02')`;

/** Starts a server of the tester's own; `number` tells it from others that run at once. */
export async function preparePlace(number = 0): Promise<Place> {
  const dataDirectory = join(await roomiestRoot(), `scale-seed-interleavings-${process.pid}-${number}`);
  const server = await startEmbedded({ dataDirectory, settings: SETTINGS });
  const close = async (): Promise<void> => {
    await server.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  };
  try {
    const { schema, rows } = await makeTemplates(server);
    const strategy = majorOf(server) >= 15 ? 'strategy file_copy' : '';
    return {
      version: server.version,
      port: server.port,
      schema,
      rowsOf: (standing) => rows.get(standing)!,
      urlOf: (database, role, port) =>
        `postgresql://${ROLES[role]}:pw@127.0.0.1:${port}/${database}?sslmode=disable`,
      create: async (database, standing) => {
        await inDatabase(
          server,
          'postgres',
          `create database ${database} owner ${OWNER} template ${templateOf(standing)} ${strategy}`,
        );
      },
      drop: (database) => inDatabase(server, 'postgres', `drop database ${database} with (force)`),
      connect: (database) => connect(server, database),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Memory, where there is enough: to clone a database takes a tenth of the time there. */
async function roomiestRoot(): Promise<string> {
  const { bavail, bsize } = await statfs(MEMORY).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize > NEEDED_BYTES ? MEMORY : tmpdir();
}

const templateOf = (standing: Standing): string => `template_${standing}`;

const majorOf = ({ version }: EmbeddedServer): number => Number.parseInt(version);

async function connect({ port, password }: EmbeddedServer, database: string): Promise<Connection> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'scale_seed',
    password,
    database,
    application_name: 'other session',
  });
  client.on('error', () => undefined);
  await client.connect();
  return {
    client,
    query: async <R extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
      (await client.query<R>(sql, values)).rows,
  };
}

async function inDatabase(server: EmbeddedServer, database: string, sql: string): Promise<void> {
  const { client } = await connect(server, database);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** The roles, and for each standing a template with rows of others. */
async function makeTemplates(
  server: EmbeddedServer,
): Promise<{ schema: Schema; rows: Map<Standing, State> }> {
  // Before PostgreSQL 15 the right to check by set is a superuser's.
  const grant =
    majorOf(server) >= 15
      ? `grant set on parameter session_replication_role to ${ROLES.set}`
      : `alter role ${ROLES.set} superuser`;
  await inDatabase(
    server,
    'postgres',
    `create role ${OWNER}; create role ${ROLES.set} login password 'pw' in role ${OWNER};
     create role ${ROLES.row} login password 'pw' in role ${OWNER};
     create role ${ROLES.bare} login password 'pw'; ${grant}`,
  );
  const rows = new Map<Standing, State>();
  let schema: Schema | undefined;
  for (const standing of STANDING) {
    await inDatabase(server, 'postgres', `create database ${templateOf(standing)} owner ${OWNER}`);
    const connection = await connect(server, templateOf(standing));
    await fill(server, connection, standing);
    schema ??= await readSchema(connection.query);
    rows.set(standing, await readRows(connection.query, schema));
    await connection.client.end();
  }
  return { schema: schema!, rows };
}

async function fill(server: EmbeddedServer, { client }: Connection, standing: Standing): Promise<void> {
  await client.query(SCHEMA_SQL);
  await client.query(DEPENDENT_TABLES_SQL);
  await seedParents(client);
  await client.query(OTHERS);
  const url = new URL(server.url);
  [url.password, url.pathname] = [server.password, templateOf(standing)];
  const sizes = { half: HALF, beyond: { ...HALF, certs: BEYOND }, full: SIZE, gap: SIZE } as const;
  if (standing === 'orphan')
    await client.query(`delete from owners where id = 'o-carol'; delete from teams where id = 't-payments'`);
  else if (standing !== 'none')
    await load({ databaseUrl: url.href, fixtures: chooseFixtures(sizes[standing]) });
  const certs = `delete from managed_certificates where id like 'cert-loadtest-scale-%' and right(id, 8)::int`;
  if (standing === 'beyond') await client.query(`${certs} between ${HALF.certs + 1} and ${SIZE.certs}`);
  if (standing === 'gap') await client.query(`${certs} = 777`);
  await client.query(LEFTOVERS);
  await client.query(
    `do $$ declare t record; begin
       for t in select oid::regclass as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
       loop execute format('alter table %s owner to ${OWNER}', t.name); end loop; end $$`,
  );
  await client.query(
    `grant select on all tables in schema public to ${ROLES.bare};
     grant insert, delete on managed_certificates, agents to ${ROLES.bare}`,
  );
  await client.query('vacuum (analyze)');
}
