import type { Outcome } from '../support/command-line.js';
import { LOADER, until, type Place } from './place.js';

/** How many rows of each fixture stand. */
export interface Fleet {
  scale_certs: number;
  scale_agents: number;
}

export const FIXTURES = ['scale_certs', 'scale_agents'] as const;

export const COUNT_FLEET = `select
  (select count(*)::int from managed_certificates where id like 'cert-loadtest-scale-%') as scale_certs,
  (select count(*)::int from agents where id like 'ag-scale-%') as scale_agents`;

export async function countFleet(place: Place, database: string): Promise<Fleet> {
  return (await place.query<{ [name in keyof Fleet]: number }>(database, COUNT_FLEET))[0]!;
}

/** Fixtures that stand neither as before nor whole. */
export function partial(fleet: Fleet, before: Fleet, whole: Fleet): string[] {
  return FIXTURES.filter((name) => fleet[name] !== before[name] && fleet[name] !== whole[name]).map(
    (name) => `${fleet[name]} rows of ${name}, neither the ${before[name]} of before nor all ${whole[name]}`,
  );
}

/** All that the catalogue says of indexes, constraints, their triggers and row security. */
export async function describeStructure(place: Place, database: string): Promise<string> {
  const rows = await place.query(
    database,
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
export async function findOrphans(place: Place, database: string): Promise<string[]> {
  const keys = await place.query<{ name: string; sql: string }>(
    database,
    `select k.conname as name, format('select count(*)::int as orphans from %s as c where c.%I is not null
         and not exists (select from %s as p where p.%I = c.%I)',
       k.conrelid::regclass, child.attname, k.confrelid::regclass, parent.attname, child.attname) as sql
     from pg_constraint as k
     join pg_attribute as child on child.attrelid = k.conrelid and child.attnum = k.conkey[1]
     join pg_attribute as parent on parent.attrelid = k.confrelid and parent.attnum = k.confkey[1]
     where k.contype = 'f' and k.connamespace = 'public'::regnamespace`,
  );
  const found: string[] = [];
  for (const { name, sql } of keys) {
    const [row] = await place.query<{ orphans: number }>(database, sql);
    if (row?.orphans !== 0)
      found.push(`${row?.orphans ?? '?'} rows without the parent that ${name} asks for`);
  }
  return found;
}

/** Sessions and staging tables of the loader's that do not go away. */
export async function findLeftovers(place: Place, database: string): Promise<string[]> {
  const look = (): Promise<{ leftover: string }[]> =>
    place.query(
      database,
      `select format('session %s, %s: %s', pid, state, query) as leftover from pg_stat_activity
       where datname = current_database() and usename = '${LOADER.user}'
       union all select format('table %s', oid::regclass) from pg_class where relname like 'scale_seed%'
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
  whole: Fleet,
): string[] {
  const wrong: string[] = [];
  if (!codes.includes(code)) wrong.push(`exit code ${code ?? 'of a kill'}, not ${codes.join(' or ')}`);
  if (/this is a bug|\n\s+at |UnhandledPromise|Warning:/.test(stderr))
    wrong.push('a stack trace or a warning');
  if ((stdout + stderr).includes(LOADER.password)) wrong.push('the password was printed');
  if (code === 0) {
    for (const name of FIXTURES)
      if (fleet[name] !== whole[name]) wrong.push(`success, but ${fleet[name]} rows of ${name}`);
  } else if (code !== null) {
    if (!/^scale-seed: ./m.test(stderr)) wrong.push('no message');
    if (!message.test(stderr)) wrong.push(`a message that does not say ${message.source}`);
    wrong.push(...untrueClaims(stderr, fleet, before, whole));
  }
  return wrong.map((problem) => `${problem}: ${stderr.trim()}`);
}

/** Claims of the line `now: ...` that do not hold. */
function untrueClaims(stderr: string, fleet: Fleet, before: Fleet, whole: Fleet): string[] {
  const claims = /^ {2}now: (.+)$/m.exec(stderr)?.[1];
  if (claims === undefined) return ['the message does not say what stands'];
  const wrong: string[] = [];
  for (const claim of claims.split('; ')) {
    const named = FIXTURES.filter((name) => claim.includes(name));
    const about = named.length === 0 ? FIXTURES : named;
    const expected = claim.includes('nothing was changed')
      ? before
      : claim.endsWith('committed')
        ? whole
        : undefined;
    const untrue = expected && about.some((name) => fleet[name] !== expected[name]);
    if (untrue === true) wrong.push(`untrue: ${claim} (${JSON.stringify(fleet)})`);
  }
  return wrong;
}
