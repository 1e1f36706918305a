import { beforeAll, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { chooseFixtures } from '../../src/fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const at = (): { databaseUrl: string } => ({ databaseUrl: database.url });

function ownFixture(columns: Record<string, string>, table = 'own') {
  return defineFixture({
    name: 'own',
    table,
    count: 1,
    columns: { id: 'text', ...columns },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'own-' },
    rows: () => [['own-1', ...Object.keys(columns).map(() => 'x')]],
  });
}

describe('tables', () => {
  beforeAll(async () => {
    await database.query(
      `create table own (id text primary key, wanted text not null, made text generated always as (id) stored)`,
    );
    await database.query(`create schema "o'dd ""one"";"`);
    await database.query(`create table "o'dd ""one"";".own (id text primary key)`);
  });

  it.each([
    ['a table that is not there', ownFixture({}, 'nothing'), 'there is no table nothing on the search_path'],
    [
      'a column that is not there',
      ownFixture({ wanted: 'text', b: 'text' }),
      'fixture own: table own has no column b',
    ],
    [
      'a column that the table makes',
      ownFixture({ wanted: 'text', made: 'text' }),
      'fixture own: table own generates column made itself',
    ],
    [
      'a column that gets no value',
      ownFixture({}),
      'fixture own: table own must have a value in column wanted, for which the fixture gives none',
    ],
  ])('%s is refused before the first row', async (_, fixture, message) => {
    await expect(load({ ...at(), fixtures: [fixture] })).rejects.toMatchObject({
      code: 'schema',
      phase: 'prepare',
      message,
      state: 'nothing was changed',
    });
  });

  it.each([
    ['a view', 'create view other as select 1 as id', 'drop view other'],
    [
      'a materialized view',
      'create materialized view other as select 1 as id',
      'drop materialized view other',
    ],
    [
      'a foreign table',
      `create foreign data wrapper none; create server nowhere foreign data wrapper none;
       create foreign table other (id text) server nowhere`,
      'drop foreign data wrapper none cascade',
    ],
    ['a sequence', 'create sequence other', 'drop sequence other'],
  ])('are not waited for where %s has the name', async (kind, make, unmake) => {
    await database.query(make);
    for (const schemas of [undefined, ['public']])
      await expect(
        load({ ...at(), fixtures: [ownFixture({}, 'other')], waitMs: 60_000, schemas }),
      ).rejects.toMatchObject({
        code: 'fixture',
        message: `other in schema public is ${kind}, not a table`,
      });
    await database.query(unmake);
  });

  it('are found in a schema with any name', async () => {
    const report = await load({ ...at(), schemas: [`"o'dd ""one"";"`], fixtures: [ownFixture({})] });
    expect(report.fixtures[0]).toMatchObject({ schema: `o'dd "one";`, inserted: 1 });
  });
});

describe('parents', () => {
  it('that are missing are named, every one of them', async () => {
    await database.query(`delete from owners where id = 'o-alice'`);
    await database.query(`delete from issuers`);
    const [certificates] = chooseFixtures({ names: ['01_bulk_renewal_certs'] });
    const fixtures = [certificates!, { ...certificates!, name: 'again' }];
    await expect(load({ ...at(), fixtures })).rejects.toMatchObject({
      code: 'parents',
      message: 'parent rows are missing: owners o-alice, issuers iss-local',
      state: 'nothing was changed',
    });
  });

  it('are made when that is asked for', async () => {
    // Somebody else makes one of them at the same time.
    const other = await database.client();
    await other.query(
      `begin; insert into owners (id, name, email, team_id) values ('o-alice', 'A', 'a@example.com', 't-platform')`,
    );
    const loading = load({ ...at(), createParents: true });
    loading.catch(() => undefined);
    await database.untilSession(`query like 'insert into %owners%' and wait_event_type = 'Lock'`);
    await other.query('commit');
    expect((await loading).fixtures[0]?.inserted).toBe(10_000);
    expect(await database.value(`select config from issuers where id = 'iss-local'`)).toEqual({});
  });

  it('are looked for by their whole key', async () => {
    await database.query(`create table pairs (a text, b text, primary key (a, b));
      insert into pairs values ('x', 'other'), ('other', 'y')`);
    const key = { a: 'x', b: 'y' };
    const fixtures = [{ ...ownFixture({ wanted: 'text' }), parents: [{ table: 'pairs', key, values: key }] }];
    await expect(load({ ...at(), fixtures })).rejects.toMatchObject({
      message: 'parent rows are missing: pairs x/y',
    });
  });
});

describe('waiting', () => {
  it('ends when what was missing appears, and says what that was', async () => {
    await database.query(`alter table managed_certificates rename to not_yet`);
    const notices: string[] = [];
    let waiting: Promise<unknown> | undefined;
    const loading = load({
      ...at(),
      waitMs: 30_000,
      onEvent: (event) => {
        if (event.type !== 'notice') return;
        notices.push(event.message);
        waiting = database.value('select clock_timestamp()');
        void database.query(`alter table if exists not_yet rename to managed_certificates`);
      },
    });
    const { anchor, fixtures } = await loading;
    expect(fixtures[0]?.skipped).toBe(10_000);
    // Times hang on the start of the work, not on that of the waiting.
    expect(new Date(anchor).getTime()).toBeGreaterThanOrEqual(((await waiting) as Date).getTime());
    expect(notices).toEqual(['waiting: there is no table managed_certificates on the search_path']);
  });
});

it('a wrong password is not waited for', async () => {
  const notices: unknown[] = [];
  const url = new URL(database.directUrl);
  url.password = 'wrong';
  await expect(
    load({
      databaseUrl: url.href,
      waitMs: 1_000,
      onEvent: (event) => event.type === 'notice' && notices.push(event),
    }),
  ).rejects.toMatchObject({ code: 'connect', sqlState: '28P01' });
  expect(notices).toEqual([]);
});

describe('the guard', () => {
  beforeAll(async () => {
    await database.query(
      `insert into agents (id, name, hostname, api_key_hash)
       select 'ag-' || g, 'real-' || g, 'h', 'x' from generate_series(1, 101) as g`,
    );
  });

  it('refuses what looks like a real fleet', async () => {
    await expect(load(at())).rejects.toMatchObject({
      code: 'guard',
      message: 'public.agents holds 101 rows that no known fixture made: this looks like a real fleet',
    });
  });

  it('sees what tables hold that inherit', async () => {
    await database.query(
      `create table more_certificates () inherits (managed_certificates);
       insert into more_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id)
         select g, g, 'c', 'o-alice', 't-platform', 'iss-local', 'rp-standard' from generate_series(1, 101) as g`,
    );
    const failing = load({ ...at(), fixtures: [sizedCertificates(10)] });
    await expect(failing).rejects.toMatchObject({ code: 'guard', table: 'public.managed_certificates' });
    await database.query('drop table more_certificates');
  });

  it('looks at both tables, whatever is loaded', async () => {
    const certificates = chooseFixtures({ names: ['01_bulk_renewal_certs'] });
    await expect(load({ ...at(), fixtures: certificates })).rejects.toMatchObject({ code: 'guard' });
  });

  it('knows the rows of fixtures of your own, if it is told of them', async () => {
    const own = { ...sizedAgents(1_001), name: 'own', mark: { column: 'name', prefix: 'real-' } };
    const options = { ...at(), fixtures: [sizedAgents(5)] };
    await expect(load(options)).rejects.toMatchObject({ code: 'guard' });
    expect((await load({ ...options, known: [own] })).fixtures[0]?.inserted).toBe(5);
  });

  it('gives way to force', async () => {
    expect((await load({ ...at(), force: true })).fixtures[1]?.present).toBe(5_000);
  });

  it('lets a thousand pass', async () => {
    await database.query(`delete from agents where id = 'ag-1'`);
    expect((await load(at())).fixtures).toHaveLength(2);
  });
});
