import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject } from 'vitest';
import { TEMPLATE } from './global-setup.js';

export interface TestDatabase {
  /** URL of a clone of the migrated database. */
  readonly url: string;
  /** The same without the pooler that may stand before the server. */
  readonly directUrl: string;
  /** Rows of a query, by a client that is not scale-seed's. */
  query: <R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]) => Promise<R[]>;
  /** The first column of the first row. */
  value: (sql: string, values?: unknown[]) => Promise<unknown>;
  /** How many of scale-seed's sessions in this database meet a condition on pg_stat_activity. */
  sessions: (condition: string) => Promise<number>;
  /** Resolves as soon as one of them does, or `count`. */
  untilSession: (condition: string, count?: number) => Promise<void>;
  /** Resolves as soon as all of them have ended. */
  untilNoSession: () => Promise<void>;
  /** Resolves as soon as a query's first column is true; fails after half a minute, with the sessions that are there. */
  until: (sql: string) => Promise<void>;
  /** Makes a role with the password `pw` that may do nothing yet; it goes with the file. */
  role: () => Promise<string>;
  /** Makes another database, with such options and then such tables, and returns its URL; it goes with the file. */
  another: (options: string, sql: string) => Promise<string>;
  /** Another client of the same database; ends with the file. */
  client: () => Promise<pg.Client>;
}

/** True of a session that asks again and again for the turn that another has. */
export const WAITS_FOR_TURN = `query like 'select pg_try_advisory_xact_lock%'`;

let clones = 0;

/** Between two looks at a condition, so that looking takes no processor from what is to come true. */
const POLL_MS = 5;

/**
 * A database of the test file's own, cloned from the migrated template and dropped afterwards. The file fails if
 * scale-seed leaves a session or a staging table behind in it.
 */
export function useDatabase(): TestDatabase {
  const name = `clone_${process.pid}_${(clones += 1)}`;
  const serverUrl = (): string => inject('serverUrl');
  const urlOf = (database: string): string => {
    const own = new URL(serverUrl());
    own.pathname = database;
    return own.href;
  };
  const directUrl = (): string => urlOf(name);
  const url = (): string => {
    const own = new URL(directUrl());
    if (inject('poolerPort') !== 0) own.port = String(inject('poolerPort'));
    return own.href;
  };
  // A pooler keeps connections, in the name of their last client.
  const ofScaleSeed = (): string =>
    `datname = current_database() and application_name = 'scale-seed'
     and ${inject('poolerPort') === 0 ? 'true' : `state <> 'idle'`}`;
  const open: pg.Client[] = [];
  const roles: string[] = [];
  const others: string[] = [];
  let own: pg.Client;

  async function client(): Promise<pg.Client> {
    const opened = new pg.Client({ connectionString: directUrl(), application_name: 'test' });
    opened.on('error', () => undefined);
    await opened.connect();
    open.push(opened);
    return opened;
  }

  beforeAll(async () => {
    await administer(serverUrl(), `create database ${name} template ${TEMPLATE}`);
    own = await client();
  });

  afterAll(async () => {
    const sessions = await sessionsLeft();
    const { rows: leftovers } = await own.query(
      `select relname from pg_class where relname like 'scale_seed%'`,
    );
    await Promise.all(open.map((opened) => opened.end()));
    for (const made of [name, ...others]) await administer(serverUrl(), `drop database ${made} with (force)`);
    for (const role of roles) await administer(serverUrl(), `drop role ${role}`);
    expect(sessions, 'sessions left behind').toEqual([]);
    expect(leftovers, 'staging tables left behind').toEqual([]);
  });

  /** Those that are still there in a while: a backend lives on for a moment after its client has closed the connection. */
  async function sessionsLeft(): Promise<object[]> {
    const deadline = performance.now() + 10_000;
    for (;;) {
      const { rows } = await own.query<{ pid: number }>(
        `select pid, state, query from pg_stat_activity where ${ofScaleSeed()}`,
      );
      if (rows.length === 0 || performance.now() > deadline) return rows;
      await setTimeout(POLL_MS);
    }
  }

  async function query<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<R[]> {
    return (await own.query<R>(sql, values)).rows;
  }

  async function sessions(condition: string): Promise<number> {
    const [row] = await query<{ count: string }>(
      `select count(*) from pg_stat_activity where ${ofScaleSeed()} and (${condition})`,
    );
    return Number(row?.count);
  }

  async function until(sql: string): Promise<void> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const [row] = await query<Record<string, unknown>>(sql);
      if (Object.values(row ?? {})[0] === true) return;
      if (performance.now() < deadline) {
        await setTimeout(POLL_MS);
        continue;
      }
      const there = await query(
        `select pid, application_name, state, wait_event, query from pg_stat_activity where datname = $1`,
        [name],
      );
      throw new Error(`this did not come true: ${sql}\n${JSON.stringify(there, null, 2)}`);
    }
  }

  async function role(): Promise<string> {
    const made = `${name}_role_${roles.length + 1}`;
    await query(`create role ${made} login password 'pw'`);
    roles.push(made);
    return made;
  }

  async function another(options: string, sql: string): Promise<string> {
    const made = `${name}_other_${others.length + 1}`;
    await administer(serverUrl(), `create database ${made} template template0 ${options}`);
    others.push(made);
    const client = new pg.Client({ connectionString: urlOf(made) });
    await client.connect();
    await client.query(sql);
    await client.end();
    return urlOf(made);
  }

  return {
    role,
    another,
    sessions,
    untilSession: (condition, count = 1) =>
      until(`select count(*) >= ${count} from pg_stat_activity where ${ofScaleSeed()} and (${condition})`),
    untilNoSession: () => until(`select count(*) = 0 from pg_stat_activity where ${ofScaleSeed()}`),
    until,
    get url() {
      return url();
    },
    get directUrl() {
      return directUrl();
    },
    query,
    value: async (sql, values) => Object.values<unknown>((await query(sql, values))[0] ?? {})[0],
    client,
  };
}

/** Runs a statement on the server; cloning takes turns, since a template must not be in use. */
async function administer(serverUrl: string, sql: string): Promise<void> {
  const admin = new URL(serverUrl);
  admin.pathname = 'postgres';
  const client = new pg.Client({ connectionString: admin.href });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock(1)');
    await client.query(sql);
  } finally {
    await client.end();
  }
}
