import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';
import { differenceSql } from '../support/oracle.js';

const database = useDatabase();
let version: number;
/** A superuser of the test's own, so that every setting may be given to it. */
let role: string;
let name: string;
let hasGerman: boolean;

const WAYS = ['the URL', 'the role', 'the database'] as const;
type Way = (typeof WAYS)[number];

/** Gives a hostile value to whoever connects by the URL that is returned. */
async function set(way: Way, settings: Readonly<Record<string, string>>, user = role): Promise<string> {
  const url = new URL(database.directUrl);
  [url.username, url.password] = [user, 'pw'];
  const pairs = Object.entries(settings);
  if (way === 'the URL') {
    const options = pairs.map(([setting, value]) => `-c ${setting}=${value.replace(/[\s\\]/g, '\\$&')}`);
    url.searchParams.set('options', options.join(' '));
  }
  const owner = { 'the URL': undefined, 'the role': `role ${user}`, 'the database': `database ${name}` }[way];
  for (const [setting, value] of owner === undefined ? [] : pairs) {
    // What takes a list wants it without quotes around all of it.
    const text = setting === 'search_path' ? value : `'${value}'`;
    await database.query(`alter ${owner!} set ${setting} = ${text}`);
  }
  // To libpq a plus is a plus.
  return url.href.replaceAll('+', '%20');
}

const TIMES = {
  at: { type: 'timestamptz', value: '02/01/2026 03:04:05' },
  est: { type: 'timestamptz', value: '2026-02-01 03:04:05 EST' },
  span: { type: 'interval', value: '-1 2:03:04' },
} as const;

/** Five rows whose text is read and printed in as many ways as there are settings for it. */
const kinds = defineFixture({
  name: 'kinds',
  table: 'kinds',
  count: 5,
  columns: { id: 'text', code: 'text' },
  derived: { words: { type: 'text[]', arrayOf: 'code' } },
  constants: {
    ...TIMES,
    owner: { type: 'text', value: 'o' },
    nothing: { type: 'text[]', value: [null, 'a'] },
    price: { type: 'text', value: '1234.56' },
    doc: { type: 'xml', value: 'a <b/> c' },
    float: { type: 'double precision', value: 0.1 + 0.2 },
    bytes: { type: 'bytea', value: Buffer.from('a\\b\0') },
    plain: { type: 'text', value: 'é 🚀 \\d' },
  },
  conflictKeys: [['id'], ['code']],
  mark: { column: 'id', prefix: 'k-\\-' },
  *rows(first: number, last: number) {
    for (let g = first; g <= last; g++) yield [`k-\\-${g}`, `code-${g}`];
  },
});

const STORED = {
  at: '2026-02-01T03:04:05+00:00',
  est: '2026-02-01T08:04:05+00:00',
  span: '-1 days +02:03:04',
  since: '2026-03-02',
  gap: '-1 days +02:00:00',
  nothing: [null, 'a'],
  price: '$1,234.56',
  doc: 'a <b/> c',
  float: '0.30000000000000004',
  bytes: '\\x615c6200',
  plain: 'é 🚀 \\d',
  bool: true,
};

beforeAll(async () => {
  version = Number(await database.value('show server_version_num'));
  name = String(await database.value('select current_database()'));
  role = await database.role();
  await database.query(`alter role ${role} superuser`);
  await database.query(`set timezone = 'UTC'; set lc_monetary = 'C'`);
  hasGerman = await database.query(`set local lc_monetary = 'de_DE.UTF-8'`).then(
    () => true,
    () => false,
  );
  await database.query(
    `create extension pg_trgm;
     create table owner (id text primary key); insert into owner values ('o');
     create table kinds (id text primary key, code text unique, words text[], at timestamptz, est timestamptz,
       span interval, nothing text[], price money, doc xml, float text, bytes text, plain text, owner text references owner,
       since date default '2026-03-02', gap interval default '-1 day +02:00', bool boolean default true,
       meta json default '{"a": 1}');
     create index on kinds using gin (id gin_trgm_ops);
     create table kin (kind text references kinds on delete cascade);
     create table fired (what text);
     create function fire() returns trigger language plpgsql as
       'begin insert into public.fired values (tg_op); return null; end';
     create trigger fires after insert or update or delete on kinds for each row execute function fire();
     -- What is found before the catalogue's own where the search_path has it so.
     create schema evil;
     create function evil.never(text, text) returns bool language sql as 'select false';
     create function evil.nothing(text, text) returns text language sql as $$select ''::text$$;
     create operator evil.= (leftarg = text, rightarg = text, function = evil.never);
     create operator evil.<> (leftarg = text, rightarg = text, function = evil.never);
     create operator evil.~~ (leftarg = text, rightarg = text, function = evil.never);
     create operator evil.|| (leftarg = text, rightarg = text, function = evil.nothing);
     create function evil.now() returns timestamptz language sql as $$select '2001-01-01'::timestamptz$$;
     create function evil.current_setting(text) returns text language sql as $$select ''::text$$;
     create function evil.to_regclass(text) returns regclass language sql as 'select null::regclass'`,
  );
});

beforeEach(async () => {
  await database.query(`alter role ${role} reset all`);
  await database.query(`alter database ${name} reset all`);
  await database.query('truncate kinds, kin, fired');
});

const run = (databaseUrl: string, ...fixtures: readonly Fixture[]) => ({
  databaseUrl,
  fixtures,
  settle: false,
});

async function fired(): Promise<Record<string, number>> {
  const rows = await database.query<{ what: string; times: string }>(
    'select what, count(*) as times from fired group by what',
  );
  return Object.fromEntries(rows.map(({ what, times }) => [what, Number(times)]));
}

async function expectStored(): Promise<void> {
  const rows = await database.query<{ row: unknown }>(
    'select to_jsonb(k) as row from kinds as k order by id',
  );
  const own = (g: number) => ({ id: `k-\\-${g}`, code: `code-${g}`, words: [`code-${g}`] });
  expect(rows.map(({ row }) => row)).toMatchObject([1, 2, 3, 4, 5].map((g) => ({ ...own(g), ...STORED })));
}

/** Loads, verifies, resets and cleans, and looks at what each has done from a session that nobody has tampered with. */
async function goThrough(url: string): Promise<void> {
  const drift = await load({ ...run(url, kinds), verify: true });
  expect(drift.verified?.fixtures[0]).toMatchObject({ intact: true, drift: [], present: 5 });
  await expectStored();
  expect(await fired()).toEqual({ INSERT: 5 });

  await database.query(
    `update kinds set plain = 'x', since = null, gap = null; insert into kin select id from kinds`,
  );
  const verified = await verify(run(url, kinds));
  expect(verified.fixtures[0]?.drift.map(({ column, rows }) => [column, rows])).toEqual([
    ['plain', 5],
    ['since', 5],
    ['gap', 5],
  ]);
  expect((await reset(run(url, kinds))).fixtures[0]).toMatchObject({
    restored: 5,
    inserted: 0,
    dependents: [{ table: 'public.kin', rows: 5, effect: 'deleted' }],
  });
  await expectStored();
  expect(await database.query('select * from kin')).toEqual([]);
  await database.query('insert into kin select id from kinds');

  expect((await clean(run(url, kinds))).fixtures[0]).toMatchObject({
    deleted: 5,
    dependents: [{ table: 'public.kin', rows: 5, effect: 'deleted' }],
  });
  expect(await database.query('select * from kinds')).toEqual([]);
  expect(await database.query('select * from kin'), 'orphans').toEqual([]);
  expect(await fired()).toEqual({ INSERT: 5, UPDATE: 10, DELETE: 5 });
}

type Hostile = [setting: string, value: string, since?: number];

/** A hostile value of each setting, by what it bears on; the oldest version that has it. */
const HOSTILE: Readonly<Record<string, readonly Hostile[]>> = {
  'what a statement does': [
    ['session_replication_role', 'replica'],
    ['session_replication_role', 'local'],
    ['search_path', 'evil, public, pg_catalog'],
    ['row_security', 'off'],
    ['gin_fuzzy_search_limit', '1'],
    ['transform_null_equals', 'on'],
    ['exit_on_error', 'on'],
    ['default_transaction_isolation', 'serializable'],
    ['default_tablespace', 'nowhere'],
    ['temp_tablespaces', 'nowhere'],
    ['synchronous_commit', 'off'],
    ['constraint_exclusion', 'on'],
    ['event_triggers', 'off', 170_000],
  ],
  'how text is read and printed': [
    ['datestyle', 'SQL, DMY'],
    ['intervalstyle', 'sql_standard'],
    ['timezone', 'America/St_Johns'],
    ['timezone_abbreviations', 'Australia'],
    ['bytea_output', 'escape'],
    ['extra_float_digits', '-15'],
    ['array_nulls', 'off'],
    ['lc_monetary', 'de_DE.UTF-8'],
    ['xmloption', 'document'],
    ['standard_conforming_strings', 'off'],
    ['backslash_quote', 'off'],
    ['quote_all_identifiers', 'on'],
    ['client_encoding', 'LATIN1'],
  ],
  'which messages arrive': [
    ['client_min_messages', 'error'],
    ['lc_messages', 'POSIX'],
  ],
};
const EVERY = Object.values(HOSTILE).flat();

/** Whether the server here has a setting, and such a value of it. */
const isKnown = ([, value, since = 0]: Hostile): boolean =>
  version >= since && (hasGerman || !value.startsWith('de_DE'));

// To a session a value is the same whoever gave it: each is tried alone once, and by every way with others.
it.each<Hostile>(EVERY)(
  'a setting of the role, %s = %s, reaches no transaction',
  async (setting, value, since = 0) => {
    if (isKnown([setting, value, since])) await goThrough(await set('the role', { [setting]: value }));
  },
);

describe.each(WAYS)('settings of %s', (way) => {
  it.each([...Object.entries(HOSTILE), ['all that there is', EVERY] as const])(
    'for %s reach no transaction',
    async (_what, hostile) => {
      // A tablespace that is not there is refused to whoever connects by a URL.
      const all = hostile.filter((one) => isKnown(one) && (way !== 'the URL' || one[1] !== 'nowhere'));
      await goThrough(await set(way, Object.fromEntries(all.map(([setting, value]) => [setting, value]))));
    },
  );
});

describe.each(WAYS)('the replica role of %s', (way) => {
  const replica = { session_replication_role: 'replica' };
  const fleet = [sizedCertificates(300), sizedAgents(200)];

  it('leaves the published fleet as it should be, and no orphan', async () => {
    const url = await set(way, replica);
    const { anchor } = await load(run(url, ...fleet));
    for (const fixture of fleet)
      expect(await database.query(differenceSql(fixture.name, fixture.count), [anchor])).toEqual([]);
    await database.query(
      `insert into jobs (id, certificate_id) select 'j-' || id, id from managed_certificates where id like 'cert-loadtest-scale-%';
       insert into issuance_approval_requests (id, certificate_id, job_id) select id, certificate_id, id from jobs;
       update agents set status = 'Offline'`,
    );
    const again = await reset(run(url, ...fleet));
    for (const fixture of fleet)
      expect(await database.query(differenceSql(fixture.name, fixture.count), [again.anchor])).toEqual([]);
    await clean(run(url, ...fleet));
    for (const table of ['managed_certificates', 'agents', 'jobs', 'issuance_approval_requests'])
      expect(await database.value(`select count(*) from ${table}`), table).toBe('0');
  });

  it('lets no row in whose parent is missing', async () => {
    const url = await set(way, replica);
    const orphans = { ...kinds, constants: { ...kinds.constants, owner: { type: 'text', value: 'nobody' } } };
    await expect(load(run(url, orphans))).rejects.toMatchObject({ code: 'parents' });
    expect(await database.value('select count(*) from kinds')).toBe('0');
  });

  it('is refused where it may not be set back, before anything is written', async ({ skip }) => {
    skip(way === 'the URL', 'no server lets such a role set it there');
    const plain = await database.role();
    await database.query(`grant all on kinds, owner, kin, fired to ${plain}`);
    const url = await set(way, replica, plain);
    for (const operation of [load, verify, reset, clean])
      await expect(operation(run(url, kinds))).rejects.toMatchObject({
        code: 'privilege',
        state: 'nothing was changed',
        message: expect.stringContaining('session_replication_role') as string,
      });
    expect(await database.value('select count(*) from kinds')).toBe('0');
  });
});

describe('what stays as somebody has set it', () => {
  it.each([
    ['default_transaction_read_only', 'on', 'privilege'],
    ['statement_timeout', '20ms', 'timeout'],
  ])('%s = %s', async (setting, value, code) => {
    const fixtures = [sizedCertificates(100_000)];
    const url = await set('the role', { [setting]: value });
    await expect(load(run(url, ...fixtures))).rejects.toMatchObject({ code });
    expect(await database.value('select count(*) from managed_certificates')).toBe('0');
  });
});

it('an error does not end a session that goes on after it', async () => {
  await database.query(`insert into kinds (id, code) values ('stranger', 'code-2')`);
  const url = await set('the URL', { exit_on_error: 'on' });
  const { fixtures } = await load(run(url, kinds));
  expect(fixtures[0]).toMatchObject({ inserted: 4, blocked: 1, merge: 'on conflict' });
});

it('an index gives all that it has', async () => {
  await database.query(
    `create table trigrams (id text collate "C" primary key); create index on trigrams using gin (id gin_trgm_ops)`,
  );
  const fixture = defineFixture({
    name: 'trigrams',
    table: 'trigrams',
    count: 20_000,
    columns: { id: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'trigram-' },
    *rows(first: number, last: number) {
      for (let g = first; g <= last; g++) yield [`trigram-${g}`];
    },
  });
  const url = await set('the role', { gin_fuzzy_search_limit: '1', enable_seqscan: 'off' });
  await load({ ...run(url, fixture), settle: true });
  expect((await load(run(url, fixture))).fixtures[0]).toMatchObject({ inserted: 0, present: 20_000 });
});

it('row security lets a role see what it may see', async () => {
  const plain = await database.role();
  await database.query(
    `alter table kinds enable row level security; create policy all_of_it on kinds using (true);
     grant all on kinds, owner, kin, fired to ${plain}`,
  );
  await goThrough(await set('the role', { row_security: 'off' }, plain));
  await database.query('alter table kinds disable row level security');
});
