import { availableParallelism, cpus, totalmem } from 'node:os';
import pg from 'pg';
import type { ServerAbilities } from './load-path.js';
import type { BenchResult } from './result.js';

/** What this machine is, as far as it matters to the times. */
export function describeMachine(): BenchResult['machine'] {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
  };
}

/** The server's version, and those of its settings that decide how fast it writes. */
export async function describeServer(url: string): Promise<BenchResult['server']> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; setting: string }>(
      `select name, current_setting(name) as setting from pg_settings
       where name in ('server_version', 'shared_buffers', 'fsync', 'synchronous_commit', 'full_page_writes',
         'max_wal_size', 'maintenance_work_mem', 'autovacuum') order by name`,
    );
    const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    const { server_version: version = '', ...rest } = settings;
    return { version, settings: rest };
  } finally {
    await client.end();
  }
}

/** What the role of a URL may do there. */
export async function abilitiesAt(url: string): Promise<ServerAbilities> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ may: boolean }>(
      'select rolsuper or rolcreatedb as may from pg_roles where rolname = current_user',
    );
    const setReplicationRole = await client.query('set session_replication_role = replica').then(
      () => true,
      () => false,
    );
    return { createDatabases: rows[0]?.may === true, setReplicationRole };
  } finally {
    await client.end();
  }
}
