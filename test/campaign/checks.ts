import type pg from 'pg';
import type { Outcome } from '../support/command-line.js';
import { LOADER, until, type FleetSize, type Place } from './place.js';

/** What stands of each fixture, in words: its rows, those that a run has changed, and what hangs on them. */
export interface Fleet {
  scale_certs: string;
  scale_agents: string;
}

/** What a trial tries. */
export type Command = 'load' | 'reset' | 'clean';

export const FIXTURES = ['scale_certs', 'scale_agents'] as const;

const COUNTS = `'%s rows, %s changed, %s hanging', count(*)`;

export const COUNT_FLEET = `select
  (select format(${COUNTS}, count(*) filter (where status <> 'active'),
      (select count(*) from jobs where certificate_id like 'cert-loadtest-scale-%'))
    from managed_certificates where id like 'cert-loadtest-scale-%') as scale_certs,
  (select format(${COUNTS}, count(*) filter (where status <> 'Online'),
      (select count(*) from agent_group_members where agent_id like 'ag-scale-%'))
    from agents where id like 'ag-scale-%') as scale_agents`;

/** What a command makes of a fleet. */
export function fleetAfter(command: Command, before: Fleet, size: FleetSize): Fleet {
  const after = (rows: number, found: string): string =>
    ({
      load: `${rows} rows,${found.slice(found.indexOf(',') + 1)}`,
      reset: `${rows} rows, 0 changed, 0 hanging`,
      clean: '0 rows, 0 changed, 0 hanging',
    })[command];
  return {
    scale_certs: after(size.certs, before.scale_certs),
    scale_agents: after(size.agents, before.scale_agents),
  };
}

export async function countFleet(place: Place, database: string): Promise<Fleet> {
  return (await place.query<{ [name in keyof Fleet]: string }>(database, COUNT_FLEET))[0]!;
}

/** Fixtures that stand neither as before nor as they are to be. */
export function partial(fleet: Fleet, before: Fleet, after: Fleet): string[] {
  return FIXTURES.filter((name) => fleet[name] !== before[name] && fleet[name] !== after[name]).map(
    (name) => `${name}: ${fleet[name]}, neither ${before[name]} as before nor ${after[name]}`,
  );
}

/** Rows of one statement in the database that is checked. */
export type Query = <R extends pg.QueryResultRow>(sql: string) => Promise<R[]>;

/** All that the catalogue says of indexes, constraints, their triggers and row security. */
export async function describeStructure(query: Query): Promise<string> {
  const rows = await query(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition,
       jsonb_build_object('valid', indisvalid, 'ready', indisready, 'live', indislive) as state
     from pg_index where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
     union all
     select conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid),
       jsonb_build_object('validated', convalidated, 'enforced', to_jsonb(k) -> 'conenforced')
     from pg_constraint as k where connamespace = 'public'::regnamespace
     union all
     select tgrelid::regclass || ' trigger of ' || coalesce(conname, tgname), tgfoid::regproc::text,
       jsonb_build_object('enabled', tgenabled)
     from pg_trigger left join pg_constraint as c on c.oid = tgconstraint
     union all
     select oid::regclass::text, relkind::text, jsonb_build_object('security', relrowsecurity, 'persistence', relpersistence)
     from pg_class where relnamespace = 'public'::regnamespace
     order by 1, 2, 3`,
  );
  return rows.map((row) => JSON.stringify(row)).join('\n');
}

/** Foreign keys that have a child without its parent. */
export async function findOrphans(query: Query): Promise<string[]> {
  const keys = await query<{ sql: string }>(
    `select format('select %L as name, count(*)::int as orphans from %s as c where c.%I is not null
         and not exists (select from %s as p where p.%I = c.%I)', k.conname,
       k.conrelid::regclass, child.attname, k.confrelid::regclass, parent.attname, child.attname) as sql
     from pg_constraint as k
     join pg_attribute as child on child.attrelid = k.conrelid and child.attnum = k.conkey[1]
     join pg_attribute as parent on parent.attrelid = k.confrelid and parent.attnum = k.confkey[1]
     where k.contype = 'f' and k.connamespace = 'public'::regnamespace`,
  );
  const counts = await query<{ name: string; orphans: number }>(
    keys.map(({ sql }) => sql).join(' union all '),
  );
  return counts
    .filter(({ orphans }) => orphans > 0)
    .map(({ name, orphans }) => `${orphans} rows without the parent that ${name} asks for`);
}

/** Sessions of some users, and what of the loader's does not go away: staging tables, scratch schemas, advisory locks. */
export async function findLeftovers(query: Query, users: readonly string[]): Promise<string[]> {
  const look = (): Promise<{ leftover: string }[]> =>
    query(
      `select format('session %s, %s: %s', pid, state, query) as leftover from pg_stat_activity
       where datname = current_database() and usename in (${users.map((user) => `'${user}'`).join(', ')})
       union all select format('table %s', oid::regclass) from pg_class where relname like 'scale_seed%'
       union all select format('schema %s', nspname) from pg_namespace where nspname like 'scale_seed%'
       union all select format('advisory lock of %s', pid) from pg_locks where locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database())`,
    );
  let found: { leftover: string }[] = [];
  // A session whose client is gone looks for it every 5 s.
  await until(async () => {
    found = await look();
    if (found.length > 0) throw new Error('not yet');
  }, 10_000).catch(() => undefined);
  return found.map(({ leftover }) => leftover);
}

/** What a loader's end may look like. */
export interface Allowed {
  /** Exit codes; null where it was killed. */
  codes: readonly (number | null)[];
  /** What its message says where it failed. */
  message?: RegExp;
}

/** What is wrong with a loader's exit code and message, held against what stands in the database. */
export function judgeOutcome(
  { code, stdout, stderr }: Outcome,
  { codes, message = /./ }: Allowed,
  fleet: Fleet,
  before: Fleet,
  after: Fleet,
): string[] {
  const wrong: string[] = [];
  if (!codes.includes(code)) wrong.push(`exit code ${code ?? 'of a kill'}, not ${codes.join(' or ')}`);
  if (/this is a bug|\n\s+at |UnhandledPromise|Warning:/.test(stderr))
    wrong.push('a stack trace or a warning');
  if ((stdout + stderr).includes(LOADER.password)) wrong.push('the password was printed');
  if (code === 0) {
    for (const name of FIXTURES)
      if (fleet[name] !== after[name]) wrong.push(`success, but of ${name} ${fleet[name]}`);
  } else if (code !== null) {
    if (!/^scale-seed: ./m.test(stderr)) wrong.push('no message');
    if (!message.test(stderr)) wrong.push(`a message that does not say ${message.source}`);
    wrong.push(...untrueClaims(stderr, fleet, before, after));
  }
  return wrong.map((problem) => `${problem}: ${stderr.trim()}`);
}

/** Claims of the line `now: ...` that do not hold. */
function untrueClaims(stderr: string, fleet: Fleet, before: Fleet, after: Fleet): string[] {
  const claims = /^ {2}now: (.+)$/m.exec(stderr)?.[1];
  if (claims === undefined) return ['the message does not say what stands'];
  const wrong: string[] = [];
  for (const claim of claims.split('; ')) {
    const named = FIXTURES.filter((name) => claim.includes(name));
    const about = named.length === 0 ? FIXTURES : named;
    const expected = claim.includes('nothing was changed')
      ? before
      : claim.endsWith('committed')
        ? after
        : undefined;
    const untrue = expected && about.some((name) => fleet[name] !== expected[name]);
    if (untrue === true) wrong.push(`untrue: ${claim} (${JSON.stringify(fleet)})`);
  }
  return wrong;
}
