import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { ScaleSeedError, withState } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { FAMILIES } from '../fixtures/registry.js';
import { checkTable } from './check-table.js';
import { markDistributed } from '../table/citus.js';
import { refuseStrangers } from './guard.js';
import { inspectTables, refuseMissingTable, type Privilege, type TableInfo } from '../table/inspect-table.js';
import { createParents, missingParents, refuseMissing } from './parents.js';
import { Session } from '../postgres/session.js';
import { surveyTable, type Standing } from '../table/survey.js';
import { isCertificateError } from '../postgres/tls.js';
import { translateError } from '../postgres/translate-error.js';
import type { Database } from './with-database.js';

export interface PrepareOptions {
  fixtures: readonly Fixture[];
  schema: string | undefined;
  /** How long to wait for the server, the tables and the parent rows. */
  waitMs: number;
  /** What is done about parents that are missing. */
  parents: 'require' | 'create' | 'ignore';
  /** Refuse a database that looks like a real fleet. */
  guard: boolean;
  /** Further fixtures whose rows the guard is to know. */
  known?: readonly Fixture[] | undefined;
  /** Find out which rows stand. */
  survey: boolean;
  /** What the role must be allowed to do with the tables. */
  needs: readonly Privilege[];
  /** Treat the tables as Citus's even where it is not there. */
  citus?: boolean | undefined;
}

/** A database that has all that the fixtures need. */
export interface Prepared {
  session: Session;
  server: { version: string };
  /** A fixture's table. */
  tableOf: (fixture: Fixture) => TableInfo;
  /** Its rows that stand, where that was asked for. */
  standingOf: (fixture: Fixture) => Standing;
  /** The role may set session_replication_role. */
  mayReplicate: boolean;
  /** The server's now(), in microseconds since 1970. */
  anchorUs: bigint;
}

const OLDEST_SERVER = 140_000;
const RETRY_MS = 250;

/**
 * Connects, and holds the database against what the fixtures need, before anything is written.
 *
 * @throws ScaleSeedError `connect`, `schema`, `parents`, `privilege` or `guard`, after `waitMs` where waiting could
 *   have helped.
 */
export function prepare(database: Database, options: PrepareOptions): Promise<Prepared> {
  return waitFor(database, options.waitMs, () => prepareOnce(database, options));
}

/**
 * The version of a server that is there and new enough.
 *
 * @throws ScaleSeedError `connect` or `configuration`, after `waitMs` where waiting could have helped.
 */
export function reachServer(database: Database, waitMs: number): Promise<string> {
  return waitFor(database, waitMs, async () => {
    const session = await Session.open(database.target, database.signal);
    try {
      return (await askServer(session)).server.version;
    } catch (error) {
      throw translateError(error, { phase: 'connect' });
    } finally {
      await session.close();
    }
  });
}

async function waitFor<T>(database: Database, waitMs: number, attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + waitMs;
  let announced: string | undefined;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!canBeWaitedFor(error) || performance.now() + RETRY_MS > deadline) throw error;
      if (error.message !== announced) database.onNotice(`waiting: ${error.message}`);
      announced = error.message;
      await delay(RETRY_MS, undefined, { signal: database.signal });
    }
  }
}

/** A server that is coming up gets its tables and rows in time; a wrong password stays wrong. */
function canBeWaitedFor(error: unknown): error is ScaleSeedError {
  if (!(error instanceof ScaleSeedError)) return false;
  const sqlState = error.cause instanceof pg.DatabaseError ? (error.cause.code ?? '') : '';
  if (sqlState.startsWith('28') || isCertificateError(error.cause)) return false;
  // A pooler lets its clients in while it cannot reach the server, and lets their first statement fail.
  const pooled = error.code === 'server' && sqlState.startsWith('08');
  return pooled || ['connect', 'schema', 'parents'].includes(error.code);
}

async function prepareOnce(database: Database, options: PrepareOptions): Promise<Prepared> {
  const session = await Session.open(database.target, database.signal);
  try {
    const { server, mayReplicate, anchorUs, hasCitus } = await askServer(session);
    const names = new Set([...options.fixtures, ...FAMILIES].map(({ table }) => table));
    const tables = await inspectTables(session, [...names], options.schema);
    if (hasCitus) await markDistributed(session, tables.values());
    if (options.citus === true) for (const table of tables.values()) table.distributed = true;
    const tableOf = ({ table }: Fixture): TableInfo =>
      tables.get(table) ?? refuseMissingTable(table, options.schema);
    for (const fixture of options.fixtures) checkTable(fixture, tableOf(fixture), options.needs);
    const standing = await surveyFleet(session, tables, options);
    if (options.parents !== 'ignore') await settleParents(session, database, options, tableOf);
    const standingOf = (fixture: Fixture): Standing => standing.get(fixture)!;
    return { session, server, mayReplicate, tableOf, standingOf, anchorUs };
  } catch (error) {
    await session.close();
    throw withState(translateError(error, { phase: 'prepare' }), 'nothing was changed');
  }
}

async function askServer(
  session: Session,
): Promise<Pick<Prepared, 'server' | 'mayReplicate' | 'anchorUs'> & { hasCitus: boolean }> {
  const { rows } = await session.query<{
    version: string;
    number: number;
    superuser: boolean;
    read_only: boolean;
    temporary: boolean;
    has_citus: boolean;
    anchor_us: string;
  }>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
       current_setting('is_superuser')::bool as superuser, current_setting('transaction_read_only')::bool as read_only,
       has_database_privilege(current_database(), 'temporary') as temporary,
       to_regclass('pg_catalog.pg_dist_partition') is not null as has_citus,
       (extract(epoch from now()) * 1000000)::int8 as anchor_us`,
  );
  const { version, number, superuser, has_citus: hasCitus, anchor_us: anchorUs, ...may } = rows[0]!;
  if (may.read_only) throw refused('the session is read-only', READ_ONLY_HINT);
  if (!may.temporary) {
    const hint = 'grant temporary on the database to the role';
    throw refused('the role may not make temporary tables', hint);
  }
  if (number < OLDEST_SERVER) {
    throw new ScaleSeedError(`the server is PostgreSQL ${version}; 14 is the oldest that works`, {
      code: 'configuration',
      phase: 'connect',
      hint: 'name a newer server',
    });
  }
  return {
    server: { version: version.split(' ')[0] ?? version },
    mayReplicate: superuser || (number >= 150_000 && (await isGrantedReplicaRole(session))),
    anchorUs: BigInt(anchorUs),
    hasCitus,
  };
}

const READ_ONLY_HINT =
  'give the address of the primary if this is a standby; else see default_transaction_read_only of role, database and URL';

/** Every command needs a temporary table. */
function refused(what: string, hint: string): ScaleSeedError {
  return new ScaleSeedError(what, { code: 'privilege', phase: 'prepare', hint });
}

/** PostgreSQL 15 brought the privilege, and the function that tells of it. */
async function isGrantedReplicaRole(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ granted: boolean }>(
    `select has_parameter_privilege('session_replication_role', 'set') as granted`,
  );
  return rows[0]?.granted === true;
}

/**
 * Looks at the rows of the tables: which of the fixtures' stand, and whether they look like a real fleet. Both tables of
 * a fleet are guarded, whichever of them is loaded; one that is not there, or not to be read, is no fleet.
 */
async function surveyFleet(
  session: Session,
  tables: ReadonlyMap<string, TableInfo>,
  { fixtures, guard, known = [], survey }: PrepareOptions,
): Promise<Map<Fixture, Standing>> {
  const standing = new Map<Fixture, Standing>();
  const guarded = guard ? FAMILIES.map(({ table }) => table) : [];
  for (const [name, table] of tables) {
    const wanted = survey ? fixtures.filter((fixture) => fixture.table === name) : [];
    if (!table.privileges.select || (wanted.length === 0 && !guarded.includes(name))) continue;
    const found = await surveyTable(session, table, wanted, [...FAMILIES, ...fixtures, ...known]);
    if (guarded.includes(name)) refuseStrangers(table, found.strangers);
    for (const [fixture, rows] of found.standing) standing.set(fixture, rows);
  }
  return standing;
}

async function settleParents(
  session: Session,
  { onNotice }: Database,
  { fixtures, parents }: PrepareOptions,
  tableOf: (fixture: Fixture) => TableInfo,
): Promise<void> {
  for (const schema of new Set(fixtures.map((fixture) => tableOf(fixture).schema))) {
    const members = fixtures.filter((fixture) => tableOf(fixture).schema === schema);
    const missing = await missingParents(session, members, schema);
    if (parents === 'require') refuseMissing(missing);
    else if (missing.length > 0) {
      await session.transaction(() => createParents(session, missing, schema));
      onNotice(`created ${missing.length} parent rows in schema ${schema}`);
    }
  }
}
