import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded, type EmbeddedServer } from '../../src/embedded/index.js';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { seedParents } from '../../src/postgres/seed-parents.js';
import { hasPgbouncer, startPooler, type Pooler } from '../support/pgbouncer.js';

/** An autovacuum that comes every second, and for any ten rows. */
const EAGER = {
  fsync: 'off',
  autovacuum_naptime: '1s',
  autovacuum_vacuum_threshold: '10',
  autovacuum_vacuum_scale_factor: '0',
  autovacuum_vacuum_insert_threshold: '10',
  autovacuum_vacuum_insert_scale_factor: '0',
  autovacuum_analyze_threshold: '10',
  autovacuum_analyze_scale_factor: '0',
};
const NAPTIMES = 5;

const dataDirectory = join(tmpdir(), `scale-seed-settle-${process.pid}`);
let server: EmbeddedServer;
let url: string;
let client: pg.Client;
let pooler: Pooler | undefined;

beforeAll(async () => {
  server = await startEmbedded({ dataDirectory, settings: EAGER });
  url = server.url.replace('@', `:${server.password}@`).replace(/\?.*/, '');
  client = new pg.Client({ connectionString: url });
  await client.connect();
  pooler = hasPgbouncer ? await startPooler(url, 5) : undefined;
});

afterAll(async () => {
  await client.end();
  await pooler?.stop();
  await server.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});

const options = { fixtures: [sizedCertificates(6_000), sizedAgents(3_000)], jobs: 2 };
type At = typeof options & { databaseUrl: string; schemas: [string] };

/** What is done to a schema whose tables autovacuum is to leave alone from then on. */
const COMMANDS: Record<string, (at: At) => Promise<unknown>> = {
  load: (at) => load(at),
  exclusive: (at) => load({ ...at, mode: 'exclusive' }),
  again: async (at) => {
    await load(at);
    await load({ ...at, fixtures: [sizedAgents(6_000)] });
  },
  reset: async (at) => {
    await load(at);
    await change(`update ${at.schemas[0]}.agents set status = 'Offline'`);
    await reset(at);
  },
  clean: async (at) => {
    await load(at);
    await change(`set search_path = ${at.schemas[0]};
      create table hanging (id text references managed_certificates on delete cascade);
      insert into hanging select id from managed_certificates limit 500`);
    await clean(at);
  },
};

describe('autovacuum', () => {
  it(`comes for no table that was settled in ${NAPTIMES} naptimes`, async () => {
    const settled = new Map<string, unknown>();
    for (const [way, through] of [
      ['direct', (direct: string) => direct],
      ...(pooler === undefined ? [] : [['pooled', pooler.through] as const]),
    ] as const) {
      for (const [name, command] of Object.entries(COMMANDS)) {
        const schema = `${name}_${way}`;
        await client.query(`create schema ${schema}; set search_path = ${schema}; ${SCHEMA_SQL}`);
        await seedParents(client, schema);
        await command({ ...options, databaseUrl: through(url), schemas: [schema] });
        await untilCounted(schema);
        settled.set(schema, await visits(schema));
      }
    }
    await passNaptimes();
    for (const [schema, before] of settled) expect(await visits(schema), schema).toEqual(before);
  });
});

describe('an autovacuum under way', () => {
  beforeAll(async () => {
    await client.query(`create schema slow; set search_path = slow; ${SCHEMA_SQL}`);
    await seedParents(client, 'slow');
    await load({ ...options, databaseUrl: url, schemas: ['slow'] });
    await client.query(
      'alter table slow.agents set (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)',
    );
  });

  it.each([
    ['online', 'select from slow.agents limit 1'],
    ['exclusive', 'select'],
  ] as const)('gives way to a reset in %s mode, beside whoever that lets read', async (mode, read) => {
    await change('update slow.agents set hostname = hostname');
    const vacuuming = `select from pg_stat_activity, pg_sleep(0.05) where query like 'autovacuum: VACUUM%slow.agents%'`;
    while ((await client.query(vacuuming)).rowCount === 0);
    await client.query(`begin; ${read}`);
    const fixtures = [sizedAgents(3_000)];
    const resetting = reset({ fixtures, mode, databaseUrl: url, schemas: ['slow'], lockTimeoutMs: 5_000 });
    const report = await resetting.finally(() => client.query('commit'));
    expect(report.fixtures[0]?.restored).toBe(3_000);
  });
});

/** What somebody else did, whose session has ended: it has told all that it has changed. */
async function change(sql: string): Promise<void> {
  const other = new pg.Client({ connectionString: url });
  await other.connect();
  await other.query(sql);
  await other.end();
}

/** PostgreSQL 14 writes down what it counts after a while, in order: what is counted last shows that all else is. */
async function untilCounted(schema: string): Promise<void> {
  await client.query(`create table ${schema}.last (); analyze ${schema}.last`);
  for (let counted = 0; counted < 1;) {
    const { rows } = await client.query<{ count: string }>(
      `select analyze_count as count from pg_stat_user_tables, pg_sleep(0.05) where schemaname = $1 and relname = 'last'`,
      [schema],
    );
    counted = Number(rows[0]?.count);
  }
}

/** How often autovacuum has come for the tables in which rows were changed. */
async function visits(schema: string): Promise<unknown[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name, autovacuum_count as vacuums, autoanalyze_count as analyses from pg_stat_user_tables
     where schemaname = $1 and relname in ('managed_certificates', 'agents', 'hanging') order by 1`,
    [schema],
  );
  return rows;
}

/** A table that always needs autovacuum tells when it has come so often: each time it has looked at all others. */
async function passNaptimes(): Promise<void> {
  await client.query('create table control (id int)');
  for (let passed = 0; passed < NAPTIMES;) {
    await client.query('insert into control select generate_series(1, 100)');
    const { rows } = await client.query<{ passed: string }>(
      `select autovacuum_count as passed from pg_stat_user_tables, pg_sleep(0.05) where relname = 'control'`,
    );
    passed = Number(rows[0]?.passed);
  }
}
