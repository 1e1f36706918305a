import { describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { ADVISORY_NAMESPACE } from '../../src/run/lock-fixture.js';
import { useDatabase, WAITS_FOR_TURN } from '../support/database.js';

const database = useDatabase();

type Parts = Partial<Parameters<typeof defineFixture>[0]>;

/** Rows a-1, a-2 ... of a table of the test's own. */
function fixtureOf(table: string, parts: Parts = {}): Fixture {
  return defineFixture({
    name: table,
    table,
    count: 3,
    columns: { id: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'a-' },
    *rows(first: number, last: number) {
      for (let g = first; g <= last; g++) yield [`a-${g}`];
    },
    ...parts,
  });
}

const run = (...fixtures: Fixture[]) => ({ databaseUrl: database.url, fixtures, settle: false });

async function driftOf(fixture: Fixture): Promise<string[]> {
  const { fixtures } = await verify(run(fixture));
  return fixtures.flatMap(({ drift }) => drift.map(({ column }) => column));
}

describe('values of a type with a length', () => {
  it('are stored and verified to their full length', async () => {
    await database.query(
      `create table lengths (id text primary key, d char(8), flags bit(8), arr char(4)[], price numeric(10,2))`,
    );
    const fixture = fixtureOf('lengths', {
      derived: { arr: { type: 'char(4)[]', arrayOf: 'id' } },
      constants: {
        d: { type: 'char(8)', value: 'constant' },
        flags: { type: 'bit(8)', value: '10101010' },
        price: { type: 'numeric', value: '1.239' },
      },
    });
    await load(run(fixture));
    expect(
      await database.query(`select d, flags::text, arr::text, price from lengths where id = 'a-1'`),
    ).toEqual([{ d: 'constant', flags: '10101010', arr: '{"a-1 "}', price: '1.24' }]);
    expect(await driftOf(fixture)).toEqual([]);
    await database.query(`update lengths set d = 'cXXXXXXX', flags = b'10000000', arr = '{aXXX}'`);
    expect(await driftOf(fixture)).toEqual(['arr', 'd', 'flags']);
  });
});

describe('columns that PostgreSQL cannot compare, or not exactly', () => {
  it('are verified all the same', async () => {
    await database.query(
      `create collation caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
       create table odd (id text primary key, loc point, doc json, area box default '(1,1),(0,0)',
         span interval default '30 days', word text collate caseless default 'abc')`,
    );
    const fixture = fixtureOf('odd', { constants: { doc: { type: 'json', value: { a: 1 } } } });
    await load(run(fixture));
    await database.query(`update odd set doc = '{ "a" : 1 }'`);
    expect(await driftOf(fixture)).toEqual(['doc']);
    await database.query(
      `update odd set loc = '(1,2)', doc = '{"a":2}', area = '(2,0.5),(0,0)', span = '1 month', word = 'ABC'`,
    );
    expect(await driftOf(fixture)).toEqual(['doc', 'loc', 'area', 'span', 'word']);
  });

  it('need not be there: a key alone is a row', async () => {
    await database.query('create table bare (id text primary key)');
    const fixture = fixtureOf('bare');
    await load(run(fixture));
    expect((await verify(run(fixture))).intact).toBe(true);
    const trigger = `create function look() returns trigger language plpgsql as 'begin return new; end';
      create trigger look before update on bare for each row execute function look()`;
    for (const [check, way] of [
      ['set', ''],
      ['row', trigger],
    ] as const) {
      await database.query(`delete from bare where id = 'a-2'; ${way}`);
      const { foreignKeys, fixtures } = await reset(run(fixture));
      expect(foreignKeys.check).toBe(check);
      expect(fixtures[0]).toMatchObject({ inserted: 1, restored: 2 });
    }
    await database.query('drop function look cascade');
  });
});

it('a column whose default is computed for every row is not compared, and that is said', async () => {
  await database.query(
    `create table stamped (id text primary key, token uuid default gen_random_uuid(), site text default 'here')`,
  );
  await load(run(fixtureOf('stamped')));
  const [fixture] = (await verify(run(fixtureOf('stamped')))).fixtures;
  expect(fixture).toMatchObject({ intact: true, notCompared: ['token'] });
});

describe('a column whose default is computed for every row', () => {
  const TRIGGER = `create function keep() returns trigger language plpgsql as $$begin return new; end$$;
    create trigger keep before update on dated for each row execute function keep()`;
  const COLUMNS = 'token, number, again, double, at > now() as late';

  it.each([
    ['set', ''],
    ['row', TRIGGER],
  ])('is computed anew by a reset by %s', async (check, sql) => {
    await database.query(
      `drop table if exists dated; drop function if exists keep; create sequence if not exists numbers;
       create table dated (id text primary key, token uuid default gen_random_uuid(), at timestamptz default now(),
         number int default nextval('numbers'), again int generated always as identity,
         double int generated always as (length(id) * 2) stored);
       ${sql}`,
    );
    await load(run(fixtureOf('dated')));
    await database.query(`update dated set at = '2099-01-01', token = null, number = -1`);
    const { foreignKeys, fixtures } = await reset(run(fixtureOf('dated')));
    expect([foreignKeys.check, fixtures[0]?.restored]).toEqual([check, 3]);
    const rows = await database.query(`select ${COLUMNS} from dated order by again`);
    expect(rows).toMatchObject([4, 5, 6].map((again) => ({ again, double: 6, late: false })));
    const values = new Set<unknown>(rows.flatMap(({ token, number }): unknown[] => [token, number]));
    expect([values.size, values.has(null), values.has(-1)]).toEqual([6, false, false]);
  });

  it('and to which others refer stays, and that is said', async () => {
    await database.query(
      `create table numbered (id text primary key, number serial unique, token uuid default gen_random_uuid());
       create table numbers_of (number int references numbered (number))`,
    );
    await load(run(fixtureOf('numbered')));
    await database.query(`insert into numbers_of values (2); update numbered set token = null`);
    const notices: string[] = [];
    const onEvent = (event: { type: string; message?: string }): void => {
      if (event.type === 'notice') notices.push(event.message ?? '');
    };
    await reset({ ...run(fixtureOf('numbered')), keepDependents: true, onEvent });
    expect(await database.query('select number from numbered where token is not null order by 1')).toEqual(
      [1, 2, 3].map((number) => ({ number })),
    );
    expect(notices).toContain('numbered: columns with computed defaults stay as they were: number');
  });
});

describe('a key that another row holds', () => {
  it('of an exclusion constraint blocks a row as one of a unique index does', async () => {
    await database.query(
      `create table rooms (id text primary key, floor int4range, exclude using gist (floor with &&));
       insert into rooms values ('x', '[2,2]')`,
    );
    const fixture = fixtureOf('rooms', {
      columns: { id: 'text', floor: 'int4range' },
      *rows(first: number, last: number) {
        for (let g = first; g <= last; g++) yield [`a-${g}`, `[${g},${g}]`];
      },
    });
    await expect(load(run(fixture))).resolves.toMatchObject({
      fixtures: [{ inserted: 2, skipped: 0, blocked: 1, merge: 'on conflict', firstBlocked: { key: 'a-2' } }],
    });
  });
});

describe('a mark', () => {
  it('that real rows leave open does not hide them from the guard', async () => {
    await database.query(
      `insert into agents (id, name, hostname, api_key_hash, os)
       select 'real-' || g, 'real-' || g, 'h', 'x', null from generate_series(1, 1500) as g`,
    );
    const fixture = { ...sizedAgents(3), mark: { column: 'os', prefix: 'linux' } };
    await expect(load(run(fixture))).rejects.toMatchObject({ code: 'guard' });
    await database.query(`delete from agents where id like 'real-%'`);
  });

  it('is as long as PostgreSQL counts it', async () => {
    await database.query('create table marks (id text primary key)');
    const fixture = fixtureOf('marks', {
      mark: { column: 'id', prefix: '🚀-', digits: 1 },
      *rows(first: number, last: number) {
        for (let g = first; g <= last; g++) yield [`🚀-${g}`];
      },
    });
    expect((await load(run(fixture))).fixtures[0]).toMatchObject({ present: 3 });
  });
});

describe('rows that are deleted after they were counted', () => {
  it.each([
    ['all', 2000, `id like 'ag-scale-%'`, 2000],
    ['one', 2000, `id = 'ag-scale-00000777'`, 1],
    ['one of those that a larger fleet builds upon', 1500, `id = 'ag-scale-00000777'`, 501],
  ])('are loaded again when their turn comes: %s', async (_, standing, doomed, inserted) => {
    await database.query('delete from agents; delete from managed_certificates');
    await load(run(sizedAgents(standing)));
    const first = sizedCertificates(100);
    let deleting: Promise<unknown> | undefined;
    const deletes: Fixture = {
      ...first,
      async *rows(from, to) {
        await (deleting ??= database.query(`delete from agents where ${doomed}`));
        yield* first.rows(from, to);
      },
    };
    const report = await load({ ...run(deletes, sizedAgents(2000)), jobs: 1 });
    expect(report.fixtures[1]).toMatchObject({ inserted, skipped: 2000 - inserted, present: 2000 });
    expect(await database.value('select count(*) from agents')).toBe('2000');
  });
});

it('rows that whoever holds the table deletes are loaded again once exclusive mode has it', async () => {
  await database.query('delete from agents');
  await load(run(sizedAgents(1_000)));
  const holder = await database.client();
  await holder.query(`begin; delete from agents where id <= 'ag-scale-00000400'`);
  const loading = load({ ...run(sizedAgents(2_000)), mode: 'exclusive' });
  await database.untilSession(`wait_event = 'relation'`);
  await holder.query('commit');
  expect((await loading).fixtures[0]).toMatchObject({ inserted: 1_400, skipped: 600, blocked: 0 });
});

it('rows that all stood and are deleted before the commit are not told as standing', async () => {
  await database.query('delete from agents');
  await load(run(sizedAgents(100)));
  const holder = await database.client();
  await holder.query('select pg_advisory_lock($1::int, hashtext($2))', [ADVISORY_NAMESPACE, 'public.agents']);
  const loading = load({ ...run(sizedAgents(100)), mode: 'exclusive' });
  await database.untilSession(WAITS_FOR_TURN);
  await database.query('delete from agents');
  await holder.query('select pg_advisory_unlock_all()');
  const [loaded] = (await loading).fixtures;
  // Where the server's transactions have moved on since the survey it has looked again, and has loaded them.
  const standing = Number(await database.value('select count(*) from agents'));
  expect(loaded).toMatchObject({
    inserted: standing,
    skipped: 0,
    blocked: 100 - standing,
    present: standing,
  });
});

it('a row that is deleted while others are loaded is told as one that another session has deleted', async () => {
  await database.query('delete from agents');
  await load(run(sizedAgents(1_000)));
  const scale = sizedAgents(2_000);
  const growing: Fixture = {
    ...scale,
    async *rows(first, last) {
      await database.query(`delete from agents where id = 'ag-scale-00000007'`);
      yield* scale.rows(first, last) as Iterable<unknown[]>;
    },
  };
  const firstBlocked = { key: 'unknown', by: 'another session, which has deleted it in the meantime' };
  expect((await load(run(growing))).fixtures[0]).toMatchObject({
    inserted: 1_000,
    skipped: 999,
    blocked: 1,
    firstBlocked,
  });
});

describe('a table that should hold records', () => {
  it('holds none where it is not there, lacks the column, or tells of others', async () => {
    await database.query(
      `create table recorded (id text primary key); create table records (subject text); insert into records values ('b-1')`,
    );
    const fixture = fixtureOf('recorded', {
      recordedIn: [
        { table: 'nowhere', column: 'id' },
        { table: 'recorded', column: 'subject' },
        { table: 'records', column: 'subject' },
      ],
    });
    await load(run(fixture));
    expect((await verify(run(fixture))).fixtures[0]).toMatchObject({ intact: true, records: [] });
  });

  it.each([
    ['a key', 'a-1', 1],
    ["a request's path with one", '/api/things/a-1', 1],
    ['one that goes on behind it', '/api/things/a-3/heartbeat', 1],
    ['a path with another key', '/api/things/a-4/heartbeat', 0],
    ['one that holds more than the key', '/api/things/a-11', 0],
    ['a path to many', '/api/things/bulk-renew', 0],
    ['a path to something else', '/api/others/a-1', 0],
    ['nothing', null, 0],
  ])('is searched for %s', async (_, subject, rows) => {
    await database.query(
      'create table if not exists requested (id text primary key); create table if not exists requests (subject text)',
    );
    await database.query('truncate requests');
    await database.query('insert into requests values ($1)', [subject]);
    for (const numberedKeys of [undefined, { id: { prefix: 'a-', digits: 1, suffix: '' } }]) {
      const fixture = fixtureOf('requested', {
        recordedIn: [{ table: 'requests', column: 'subject', path: '/api/things/' }],
        numberedKeys,
      });
      await load(run(fixture));
      const { records } = (await verify(run(fixture))).fixtures[0]!;
      expect(records).toEqual(rows === 0 ? [] : [{ table: 'public.requests', rows }]);
    }
  });
});

describe('keys that count', () => {
  it.each([1, 3])('are refused where row %s has another', async (number) => {
    await database.query('create table if not exists numbered (id text primary key)');
    const fixture = fixtureOf('numbered', {
      numberedKeys: { id: { prefix: 'a-', digits: 1, suffix: '' } },
      *rows(first: number, last: number) {
        for (let g = first; g <= last; g++) yield [g === number ? 'a-x' : `a-${g}`];
      },
    });
    await expect(reset(run(fixture))).rejects.toMatchObject({
      code: 'fixture',
      message: `fixture numbered: row ${number}: its numberedKeys.id makes a-${number} of it, its rows a-x, so nothing would know the row again`,
    });
  });
});

describe('a fingerprint', () => {
  it('tells apart what JSON does not', async () => {
    await database.query('create table floats (id text primary key, x double precision)');
    const fingerprints: (string | undefined)[] = [];
    for (const value of [NaN, Infinity, null]) {
      const fixture = fixtureOf('floats', { constants: { x: { type: 'double precision', value } } });
      fingerprints.push((await load(run(fixture))).fixtures[0]?.fingerprint);
      await database.query('delete from floats');
    }
    expect(new Set(fingerprints).size).toBe(3);
  });
});
