import { beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture, FixtureDefinition } from '../../src/fixtures/fixture.js';
import { after } from '../../src/fixtures/offset.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { ci } from '../../src/operations/ci.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { manifest } from '../../src/operations/manifest.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { renderText } from '../../src/show/render.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const run = (...fixtures: Fixture[]) => ({ databaseUrl: database.url, fixtures, settle: false });

type Parts = Partial<FixtureDefinition>;

function fixtureOf(parts: Parts): Fixture {
  return defineFixture({
    name: 'own',
    table: 'own',
    count: 12,
    columns: { id: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'own-' },
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`own-${g}`];
    },
    ...parts,
  });
}

beforeEach(() => database.query('drop table if exists own; truncate agents, managed_certificates cascade'));

/** Loads, verifies, loads again, resets and cleans. */
async function goThrough(fixture: Fixture): Promise<void> {
  expect((await load(run(fixture))).fixtures[0]).toMatchObject({ inserted: fixture.count, blocked: 0 });
  expect((await verify(run(fixture))).fixtures[0]).toMatchObject({ intact: true, drift: [] });
  expect((await load(run(fixture))).fixtures[0]).toMatchObject({ inserted: 0, skipped: fixture.count });
  expect((await reset(run(fixture))).fixtures[0]).toMatchObject({ restored: fixture.count });
  expect((await verify(run(fixture))).intact).toBe(true);
  expect((await clean(run(fixture))).fixtures[0]).toMatchObject({ deleted: fixture.count });
}

describe('a key whose column keeps less than the fixture gives', () => {
  it.each<[column: string, type: string, value: (g: number) => unknown]>([
    ['real', 'double precision', (g) => g + 0.1],
    ['numeric(8, 2)', 'numeric', (g) => g + 0.001],
    ['timestamptz(0)', 'timestamptz', (g) => new Date(g * 86_400_123)],
    ['date', 'timestamptz', (g) => new Date(g * 86_400_000 + 7_200_000)],
    ['time(0)', 'text', (g) => `${g}:00:00.123`],
  ])('%s, of %s, is known again', async (column, type, value) => {
    await database.query(`create table own (id text, key ${column} primary key)`);
    await goThrough(
      fixtureOf({
        columns: { id: 'text', key: type },
        conflictKeys: [['key']],
        *rows(first, last) {
          for (let g = first; g <= last; g++) yield [`own-${g}`, value(g)];
        },
      }),
    );
  });
});

describe('a key whose column takes other letters for the same', () => {
  it.each([
    ['citext', 'create extension if not exists citext', 'citext'],
    [
      'a collation',
      `create collation if not exists caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      'text collate caseless',
    ],
  ])('%s: a row of somebody else’s that has it is in the way, and stays', async (_, sql, type) => {
    await database.query(
      `${sql}; create table own (id ${type} primary key, name text); insert into own values ('OWN-7', 'precious')`,
    );
    const own = fixtureOf({ constants: { name: { type: 'text', value: 'mine' } } });
    const blocked = { blocked: 1, firstBlocked: { key: 'own-7', by: 'row OWN-7, which has the same id' } };
    expect((await load({ ...run(own), dryRun: true })).fixtures[0]).toMatchObject({
      inserted: 11,
      ...blocked,
    });
    expect((await load(run(own))).fixtures[0]).toMatchObject({ inserted: 11, present: 11, ...blocked });
    expect((await load(run(own))).fixtures[0]).toMatchObject({ inserted: 0, skipped: 11, ...blocked });
    expect((await verify(run(own))).fixtures[0]).toMatchObject({ missing: { rows: 1 }, driftedRows: 0 });
    expect((await reset(run(own))).fixtures[0]).toMatchObject({ restored: 11, ...blocked });
    expect((await clean(run(own))).fixtures[0]).toMatchObject({ deleted: 11 });
    expect(await database.query('table own')).toEqual([{ id: 'OWN-7', name: 'precious' }]);
  });

  it('has what hangs on its rows found, however that is written', async () => {
    await database.query(
      `create extension if not exists citext; create table own (id citext primary key);
       create table links (own citext references own on delete cascade)`,
    );
    await load(run(fixtureOf({})));
    await database.query(`insert into links values ('OWN-3'), ('own-4')`);
    const links = [{ table: 'public.links', rows: 2 }];
    expect((await verify(run(fixtureOf({})))).fixtures[0]?.hanging).toEqual(links);
    expect((await reset(run(fixtureOf({})))).fixtures[0]?.dependents).toMatchObject(links);
    expect((await clean(run(fixtureOf({})))).fixtures[0]?.deleted).toBe(12);
    await database.query('drop table links');
  });
});

describe('times in columns of several precisions', () => {
  const TIME = 'timestamptz after anchor';
  it.each<[columns: string, parts: Parts]>([
    ['a date, b timestamptz', {}],
    ['a timestamptz(0), b timestamptz', {}],
    ['a timestamptz(3), b timestamptz', { anchorColumn: 'a' }],
    ['a timestamptz, b timestamptz(0)', { anchorColumn: 'a' }],
    ['a timestamp(0), b timestamp', {}],
  ])('%s stand as they were loaded', async (columns, parts) => {
    await database.query(`create table own (id text primary key, ${columns})`);
    await goThrough(
      fixtureOf({
        columns: { id: 'text', a: TIME, b: TIME },
        *rows(first, last) {
          for (let g = first; g <= last; g++) yield [`own-${g}`, after({ days: g }), after({ hours: g })];
        },
        ...parts,
      }),
    );
  });

  it('of the fleet, too', async () => {
    await database.query('alter table agents alter registered_at type timestamptz(0)');
    await load(run(sizedAgents(50)));
    expect((await verify(run(sizedAgents(50)))).intact).toBe(true);
    await database.query('alter table agents alter registered_at type timestamptz');
  });

  it.each(['text', 'time', 'integer'])('are refused where the column is of type %s', async (type) => {
    await database.query(`create table own (id text primary key, at ${type})`);
    const timed = fixtureOf({ columns: { id: 'text', at: TIME }, rows: () => [] });
    const refused = type === 'time' ? {} : { code: 'fixture', state: 'nothing was changed' };
    await expect(load(run(timed))).rejects.toMatchObject(refused);
  });
});

describe('a fleet of the future', () => {
  it.each([
    ['whole', 'true'],
    ['in some of its rows', `right(id, 1) = '7'`],
  ])('is not as it was loaded, %s', async (_, where) => {
    const fleet = run(sizedCertificates(60), sizedAgents(40));
    await load(fleet);
    await database.query(
      `update agents set registered_at = registered_at + interval '366 days', last_heartbeat_at = last_heartbeat_at + interval '366 days' where ${where};
       update managed_certificates set created_at = created_at + interval '366 days', updated_at = updated_at + interval '366 days',
         expires_at = expires_at + interval '366 days' where ${where}`,
    );
    for (const live of [false, true]) {
      const { fixtures } = await verify({ ...fleet, live });
      expect(fixtures.map(({ intact }) => intact)).toEqual([false, false]);
    }
    await reset(fleet);
    expect((await verify(fleet)).intact).toBe(true);
  });
});

describe('times after now', () => {
  it.each([
    ['of the minute by which a clock may be put back', '30 s', true],
    ['of an hour', '1 h', false],
  ])('are told as that: %s', async (_, step, isIntact) => {
    const fleet = run(sizedAgents(40));
    await load(fleet);
    await database.query(`update agents set registered_at = registered_at + interval '${step}',
      last_heartbeat_at = last_heartbeat_at + interval '${step}'`);
    const report = await verify(fleet);
    expect(report.intact).toBe(isIntact);
    expect(renderText(report)).toMatch(/^scale_agents: its times tell an anchor .* after now/m);
    await clean(fleet);
  });
});

describe('a frozen fixture', () => {
  it('is refused by what reads all of it where its rows are others', async () => {
    await database.query('create table own (id text primary key)');
    const frozenFingerprint = `sha256:${'0'.repeat(64)}`;
    const thawed = fixtureOf({ frozenFingerprint });
    for (const operation of [load, verify])
      await expect(operation(run(thawed))).rejects.toMatchObject({
        code: 'fixture',
        message: expect.stringMatching(
          /^fixture own: its rows have the fingerprint sha256:\w{64}, and were/,
        ) as string,
      });
    expect(await database.value('select count(*) from own')).toBe('0');
  });
});

describe('rows that nothing would know again', () => {
  it.each<[string, Parts, RegExp]>([
    [
      'as their mark has letters for digits',
      { mark: { column: 'id', prefix: 'own-', digits: 3 }, rows: () => [['own-abc']], count: 1 },
      /row 1: id does not have 3 digits/,
    ],
    [
      'as one in the middle counts otherwise',
      {
        numberedKeys: { id: { prefix: 'own-', digits: 2, suffix: '' } },
        *rows(first, last) {
          for (let g = first; g <= last; g++) yield [`own-${g === 6 ? 99 : String(g).padStart(2, '0')}`];
        },
      },
      /row 6: its numberedKeys.\w+ makes own-06 of it, its rows own-99/,
    ],
    [
      'as a key beside the first counts otherwise',
      {
        columns: { id: 'text', name: 'text' },
        numberedKeys: {
          id: { prefix: 'own-', digits: 2, suffix: '' },
          name: { prefix: 'name-', digits: 2, suffix: '' },
        },
        *rows(first, last) {
          for (let g = first; g <= last; g++) yield [`own-${String(g).padStart(2, '0')}`, `host${g}`];
        },
      },
      /row 1: its numberedKeys.name makes name-01 of it, its rows host1,/,
    ],
    [
      'as its keys have more digits than it says',
      {
        count: 10,
        numberedKeys: { id: { prefix: 'own-', digits: 1, suffix: '' } },
        *rows(first, last) {
          for (let g = first; g <= last; g++) yield [`own-${1000 + g}`];
        },
      },
      /row 1: its numberedKeys.id makes own-1 of it, its rows own-1001,/,
    ],
  ])('are refused, %s', async (_, parts, message) => {
    await database.query('create table own (id text primary key, name text)');
    await expect(load(run(fixtureOf(parts)))).rejects.toMatchObject({
      code: 'fixture',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('a constant', () => {
  it('is not cut to the length of its own domain', async () => {
    await database.query(
      'create domain short as varchar(3); create table own (id text primary key, name varchar(3))',
    );
    const cut = fixtureOf({ constants: { name: { type: 'short', value: 'abcdef' } } });
    await expect(load(run(cut))).rejects.toMatchObject({
      code: 'fixture',
      message: expect.stringContaining('constant name: a value would be cut') as string,
    });
  });

  it.each([
    ['integer', 1.5],
    ['date', 'soon'],
    ['jsonb', '{'],
  ])('of type %s that is none is named itself', async (type, value) => {
    await database.query(`create table own (id text primary key, a ${type}, b text)`);
    const constants = {
      a: { type: type === 'jsonb' ? 'text' : type, value },
      b: { type: 'text', value: 'x' },
    };
    await expect(load(run(fixtureOf({ constants })))).rejects.toMatchObject({
      message: expect.stringMatching(/column a: |column a of|constant a/) as string,
    });
  });
});

it('a manifest tells of one moment', async () => {
  await load(run(sizedAgents(40)));
  let deleted = false;
  const { fixtures } = await manifest({
    ...run(sizedAgents(40)),
    onEvent: async (event) => {
      if (event.type !== 'phase' || deleted) return;
      deleted = true;
      await database.query('delete from agents');
    },
  });
  const [standing] = fixtures[0]!.standing!;
  expect([standing?.present, standing?.anchors[0]?.rows]).toEqual([40, 40]);
});

describe('a fixture that repeats a key', () => {
  it.each<[what: string, id: (g: number) => string]>([
    ['once', (g) => `own-${g === 12 ? 1 : g}`],
    ['in every row', () => 'own-1'],
    ['in pairs', (g) => `own-${Math.ceil(g / 2)}`],
  ])('%s, is never what stands', async (_, id) => {
    await database.query('create table own (id text primary key)');
    const fixture = fixtureOf({
      *rows(first, last) {
        for (let g = first; g <= last; g++) yield [id(g)];
      },
    });
    const distinct = new Set(Array.from({ length: 12 }, (_row, i) => id(i + 1))).size;
    const counts = { present: distinct, rows: 12 };
    const repeated = { by: 'another row of the fixture with the same key' };
    expect((await load(run(fixture))).fixtures[0]).toMatchObject({ ...counts, blocked: 12 - distinct });
    expect((await verify(run(fixture))).fixtures[0]).toMatchObject({
      ...counts,
      intact: false,
      missing: { rows: 0, blocked: repeated },
    });
    expect((await ci({ ...run(fixture), budgetMs: 60_000 })).verdict.outcome).toBe('drift');
    expect((await manifest(run(fixture))).fixtures[0]?.standing?.[0]).toMatchObject({ present: distinct });
  });
});

describe('a row of the mark that is not the fixture’s', () => {
  it.each([
    ['counts', { id: { prefix: 'own-', digits: 2, suffix: '' } }],
    ['does not count', {}],
  ])('is not among those that stand where the key %s', async (_, numberedKeys) => {
    await database.query('create table own (id text primary key)');
    const fixture = fixtureOf({
      numberedKeys,
      *rows(first, last) {
        for (let g = first; g <= last; g++) yield [`own-${String(g).padStart(2, '0')}`];
      },
    });
    await load(run(fixture));
    await database.query(`delete from own where id = 'own-04'; insert into own values ('own-99')`);
    expect((await verify(run(fixture))).fixtures[0]).toMatchObject({
      present: 11,
      missing: { rows: 1 },
      unexpected: { rows: 1 },
    });
    expect((await manifest(run(fixture))).fixtures[0]?.standing?.[0]).toMatchObject({ present: 11 });
  });
});
