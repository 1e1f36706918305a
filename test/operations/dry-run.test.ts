import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import type { CleanReport, LoadReport, ResetReport } from '../../src/report/result.js';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const certs = [sizedCertificates(120)];
const fleet = [...certs, sizedAgents(60)];

/** Rows whose key does not count: they have to be sent to be known. */
const own = defineFixture({
  name: 'own',
  table: 'agents',
  count: 20,
  columns: { id: 'text', name: 'text', hostname: 'text', api_key_hash: 'text' },
  conflictKeys: [['id'], ['name']],
  mark: { column: 'id', prefix: 'own-' },
  *rows(first, last) {
    for (let g = first; g <= last; g++) yield [`own-${g}`, `own name ${g}`, 'h', 'x'];
  },
});

const OPERATIONS = { load, reset, clean };

/** Everything that tells of a change, and that autovacuum leaves alone: counters of rows, sequences, the next transaction's number, and the rows. */
async function state(): Promise<unknown> {
  // The counters of a session arrive when it ends, those of the tests' own when PostgreSQL 15 or later is asked for them.
  await database.untilNoSession();
  const asks = Number(await database.value('show server_version_num')) >= 150_000;
  if (asks) await database.query('select pg_stat_force_next_flush()');
  const counters = !asks
    ? []
    : await database.query(
        `select relname, n_tup_ins, n_tup_upd, n_tup_del, vacuum_count, analyze_count
     from pg_stat_user_tables order by relname`,
      );
  const relations = await database.query(
    `select oid, relname from pg_class where relkind in ('r', 'i', 'S') order by oid`,
  );
  const tables = await database.query(
    `select ctid::text, xmin::text, to_jsonb(t) from managed_certificates as t order by 3`,
  );
  const agents = await database.query(
    `select ctid::text, xmin::text, to_jsonb(t) from agents as t order by 3`,
  );
  const jobs = await database.query(`select ctid::text, xmin::text, to_jsonb(t) from jobs as t order by 3`);
  return { counters, relations, tables, agents, jobs };
}

/** What a report foretells, without what only the doing of it has. */
function foretold({ fixtures, foreignKeys }: LoadReport | ResetReport | CleanReport): unknown {
  const counts = fixtures.map((fixture) =>
    Object.fromEntries(
      Object.entries(fixture).filter(
        ([name]) => !['timings', 'copiedBytes', 'merge', 'rowsPerSecond', 'rebuiltIndexes'].includes(name),
      ),
    ),
  );
  return { counts, foreignKeys };
}

/** In what state a fleet may be found, from bare to whole. */
const STATES: Record<string, string> = {
  'no row': '',
  'all rows': 'all',
  'a part of the rows': 'some',
  'rows that have drifted, and what hangs on them': 'hanging',
  'a row in the way of another': 'blocked',
  'a row in the way of one that stands': 'stuck',
  'rows that hold each other’s keys, of which one is missing': 'swapped',
  'rows of its mark that are not its own': 'larger',
};

async function prepare(kind: string, fixtures: readonly Fixture[]): Promise<void> {
  const options = { databaseUrl: database.url, fixtures, settle: false };
  if (kind !== '') await load(options);
  const strange = `insert into agents (id, name, hostname, api_key_hash) values ('ag-real', 'loadtest-scale-agent-00000007', 'h', 'x'),
    ('ag-real-2', 'own name 7', 'h', 'x')`;
  const sql = {
    '': 'select',
    all: 'select',
    some: `delete from agents where id ~ '[37]$'; delete from managed_certificates where id ~ '[37]$'`,
    hanging: `update managed_certificates set status = 'Revoked'; update agents set os = 'x';
      insert into jobs select 'job-' || id, id, null, null from managed_certificates limit 7;
      insert into issuance_approval_requests select id, certificate_id, id from jobs;
      insert into deployment_targets select 'target-' || id, id from agents limit 4;
      insert into jobs select id, null, null, id from deployment_targets`,
    blocked: `delete from agents where id ~ '7$'; ${strange}`,
    stuck: `update agents set name = 'x' || id where id ~ '7$'; ${strange}`,
    swapped: `delete from agents where id ~ '7$';
      update agents set name = regexp_replace(name, '8$', '7') where id ~ '8$'`,
    larger: `insert into agents (id, name, hostname, api_key_hash)
      values ('ag-scale-00000061', 'a', 'h', 'x'), ('own-21', 'b', 'h', 'x')`,
  }[kind]!;
  await database.query(sql);
}

beforeEach(() => database.query('truncate managed_certificates, agents cascade'));

describe.each([
  ['the fleet', fleet],
  ['a fixture whose keys do not count', [own]],
])('%s, dry', (_, fixtures) => {
  describe.each(Object.entries(STATES))('with %s', (__, kind) => {
    it.each(['load', 'reset', 'clean'] as const)(
      '%s changes nothing, and foretells what it then does',
      async (name) => {
        const given = { databaseUrl: database.url, fixtures, settle: false };
        await prepare(kind, fixtures);
        const before = await state();
        const dry = await OPERATIONS[name]({ ...given, dryRun: true }).catch((error: unknown) => error);
        expect(
          await database.value(
            `select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
          ),
        ).toBe('0');
        expect(await state()).toEqual(before);
        const done = await OPERATIONS[name](given).catch((error: unknown) => error);
        // What is in the way of a deletion refuses both.
        if (done instanceof Error) {
          expect(dry).toMatchObject({ code: (done as { code?: string }).code });
          return;
        }
        expect(dry).toMatchObject({ dryRun: true, command: name });
        expect(done).toMatchObject({ dryRun: false });
        expect(foretold(dry as LoadReport)).toEqual(foretold(done as LoadReport));
      },
    );
  });
});

/** Rows of which two have one key, and some one name. */
const repeating = defineFixture({
  ...own,
  name: 'repeating',
  *rows(first, last) {
    for (let g = first; g <= last; g++)
      yield [`own-${g === 9 ? 3 : g}`, `own name ${g}`, g % 5 === 0 ? 'same host' : `h${g}`, 'x'];
  },
});

const withNull = defineFixture({
  ...own,
  name: 'with_null',
  columns: { ...own.columns, os: 'text' },
  *rows(first, last) {
    for (let g = first; g <= last; g++)
      yield [`own-${g}`, `own name ${g}`, 'h', 'x', g % 4 === 0 ? null : `os ${g % 4}`];
  },
});

describe.each([
  ['on a column that varies', 'managed_certificates (common_name)', certs],
  ['on a column that repeats another', 'managed_certificates (sans)', certs],
  ['on a constant', 'managed_certificates (owner_id)', certs],
  ['on a constant and a column that varies', 'managed_certificates (owner_id, common_name)', certs],
  ['on a column that is not the fixture’s', 'agents (last_heartbeat_at, id)', [own]],
  ['on what every row has alike', 'agents (hostname)', [own]],
  ['on what some rows have alike', 'agents (hostname)', [repeating]],
  ['on the key, which is repeated', 'agents (hostname, id)', [repeating]],
  ['on a column that is null in some rows', 'agents (os)', [withNull]],
])('a unique index of the table’s own %s', (_, on, fixtures) => {
  beforeEach(() => database.query(`create unique index own_index on ${on}`));
  afterEach(() => database.query('drop index own_index'));

  it.each(
    ['no row', 'a part of the rows', 'strangers'].flatMap((found) =>
      (['load', 'reset'] as const).map((name) => [found, name] as const),
    ),
  )('with %s, %s does what was foretold', async (found, name) => {
    const given = { databaseUrl: database.url, fixtures, settle: false };
    if (found === 'a part of the rows') {
      await load(given);
      await database.query(
        `delete from agents where id ~ '[37]$'; delete from managed_certificates where id ~ '[37]$'`,
      );
    }
    if (found === 'strangers')
      await database.query(
        `insert into agents (id, name, hostname, api_key_hash, os)
             values ('ag-real', 'n', 'h7', 'x', 'os 1'), ('ag-real-2', 'n2', 'same host', 'x', 'y');
           insert into managed_certificates
               (id, name, common_name, sans, owner_id, team_id, issuer_id, renewal_policy_id)
             select 'mc-real', 'n', cn, array[cn], 'o-carol', 't-security', 'iss-local', 'rp-standard'
             from (values ('loadtest-scale-00000007.example.test')) as held (cn)`,
      );
    const before = await state();
    const dry = await OPERATIONS[name]({ ...given, dryRun: true });
    expect(await state()).toEqual(before);
    expect(foretold(dry)).toEqual(foretold(await OPERATIONS[name](given)));
  });
});

describe('what would be refused is refused', () => {
  it('where a guard speaks', async () => {
    await database.query(
      `insert into agents (id, name, hostname, api_key_hash) select g::text, g::text, 'h', 'x' from generate_series(1, 101) as g`,
    );
    const options = { databaseUrl: database.url, fixtures: fleet, dryRun: true };
    await expect(load(options)).rejects.toMatchObject({ code: 'guard' });
    expect((await load({ ...options, force: true })).fixtures[0]?.inserted).toBe(120);
  });

  it('where parents are missing; those that would be made are named, and are not', async () => {
    await database.query('delete from renewal_policies');
    const options = { databaseUrl: database.url, fixtures: fleet, dryRun: true };
    await expect(load(options)).rejects.toMatchObject({ code: 'parents' });
    const { code, stderr } = await run(
      ['load', '--certs', '5', '--agents', '5', '--dry-run', '--create-parents', '--no-progress'],
      { DATABASE_URL: database.url },
    );
    expect(stderr).toContain(
      'would create 1 parent rows in schema public; what may keep them out is not foreseen',
    );
    expect(code).toBe(0);
    expect(await database.value('select count(*) from renewal_policies')).toBe('0');
    await load({ ...options, dryRun: false, createParents: true, settle: false });
  });
});

it('needs no terminal, asks nothing, and says so', async () => {
  await prepare('all', fleet);
  const sizes = ['--certs', '120', '--agents', '60', '--no-progress'];
  for (const [command, title] of [
    ['load', /^Would load 0 rows/],
    ['reset', /^Would reset to anchor/],
    ['clean', /^Would delete 180 rows/],
  ] as const) {
    const { code, stdout, stderr } = await run([command, '--dry-run', ...sizes], {
      DATABASE_URL: database.url,
    });
    expect(stdout).toMatch(title);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  }
});
