import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture, FixtureDefinition } from '../../src/fixtures/fixture.js';
import { after } from '../../src/fixtures/offset.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { manifest } from '../../src/operations/manifest.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import type { VerifiedFixture } from '../../src/report/result.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

beforeEach(async () => {
  await database.query(`drop table if exists own;
    create table own (id text primary key, expires_at timestamptz, made_at timestamptz, seen_at timestamptz)`);
});

const ANCHORED = 'timestamptz after anchor';
const MADE = { constants: { made_at: { type: ANCHORED, value: 0 } } };

/** Fifty rows that expire on as many days, some before the load and some after it. */
function fixtureOf(parts: Partial<FixtureDefinition> = {}): Fixture {
  return defineFixture({
    name: 'own',
    table: 'own',
    count: 50,
    columns: { id: 'text', expires_at: ANCHORED },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'a-' },
    *rows(first: number, last: number) {
      for (let g = first; g <= last; g++) yield [`a-${g}`, after({ days: g - 25 })];
    },
    ...parts,
  });
}

const run = (fixture: Fixture) => ({ databaseUrl: database.url, fixtures: [fixture], settle: false });

async function verified(fixture: Fixture): Promise<VerifiedFixture> {
  return (await verify(run(fixture))).fixtures[0]!;
}

const driftOf = ({ drift }: VerifiedFixture): [string, number][] =>
  drift.map(({ column, rows }) => [column, rows]);

describe('a change of a time', () => {
  const SEEN = { columns: { id: 'text', expires_at: ANCHORED, seen_at: ANCHORED } };
  const sometimesSeen: FixtureDefinition['rows'] = function* (first, last) {
    for (let g = first; g <= last; g++)
      yield [`a-${g}`, after({ days: g }), g % 2 === 0 ? after({ hours: g }) : null];
  };
  const swapped: FixtureDefinition['rows'] = function* (first, last) {
    for (let g = first; g <= last; g++) yield [`a-${g}`, after({ hours: g }), after({ days: g })];
  };
  it.each<[string, Partial<FixtureDefinition>, string, [string, number][]]>([
    ['in the only one', {}, `expires_at = expires_at + interval '1 s' where id = 'a-7'`, [['expires_at', 1]]],
    ['to one value in many rows', {}, `expires_at = now() where right(id, 1)::int < 4`, [['expires_at', 20]]],
    ['to none in the only one', {}, `expires_at = null where id = 'a-7'`, [['expires_at', 1]]],
    [
      'in the only one, a constant',
      { columns: { id: 'text' }, ...MADE, rows: () => Array.from({ length: 50 }, (_, i) => [`a-${i + 1}`]) },
      `made_at = now() where id = 'a-7'`,
      [['made_at', 1]],
    ],
    [
      'in one of two without an anchor column',
      MADE,
      `expires_at = now() where id = 'a-7'`,
      [['expires_at', 1]],
    ],
    [
      'in one of two with one',
      { ...MADE, anchorColumn: 'made_at' },
      `expires_at = now() where id = 'a-7'`,
      [['expires_at', 1]],
    ],
    [
      'in the anchor column, where the other tells the anchor of most rows',
      { ...MADE, anchorColumn: 'made_at' },
      `made_at = now() where id = 'a-7'`,
      [['made_at', 1]],
    ],
    [
      'in the anchor column of all rows, or else in the other',
      { ...MADE, anchorColumn: 'made_at' },
      `made_at = '1999-01-01'`,
      [['expires_at', 50]],
    ],
    [
      'in the anchor column, to no time',
      { ...MADE, anchorColumn: 'made_at' },
      `made_at = case id when 'a-7' then 'infinity'::timestamptz end where id in ('a-7', 'a-8')`,
      [['made_at', 2]],
    ],
    [
      'in the anchor column, which the other then contradicts, as it does in most rows',
      { ...MADE, anchorColumn: 'made_at' },
      `expires_at = case when id = 'a-7' then expires_at else now() end,
        made_at = case when id = 'a-7' then '1999-01-01' else made_at end`,
      [
        ['expires_at', 49],
        ['made_at', 1],
      ],
    ],
    [
      'in the anchor column, where the other is empty',
      { ...SEEN, ...MADE, anchorColumn: 'expires_at', constants: {}, rows: sometimesSeen },
      `expires_at = now() where id in ('a-7', 'a-8')`,
      [['expires_at', 2]],
    ],
    [
      'in all rows of the one that comes first, where there is no anchor column',
      { columns: { id: 'text', seen_at: ANCHORED, expires_at: ANCHORED }, rows: swapped },
      `seen_at = clock_timestamp() + random() * interval '1 h'`,
      [['seen_at', 50]],
    ],
    [
      'beside a constant that is empty',
      { constants: { made_at: { type: ANCHORED, value: null } } },
      `expires_at = now() where id = 'a-7'`,
      [['expires_at', 1]],
    ],
  ])('%s is found', async (_, parts, change, expected) => {
    const fixture = fixtureOf(parts);
    await load(run(fixture));
    expect(await verified(fixture)).toMatchObject({ intact: true, anchorCount: 1 });
    await database.query(`update own set ${change}`);
    const found = await verified(fixture);
    expect(driftOf(found)).toEqual(expected);
    const { standing } = (await manifest(run(fixture))).fixtures[0]!;
    const { anchors, anchorCount } = found;
    expect(standing).toMatchObject([{ anchors, anchorCount, ageMs: expect.any(Number) as number }]);
    await reset(run(fixture));
    expect(await verified(fixture)).toMatchObject({ intact: true, anchorCount: 1 });
  });
});

describe('a time that is kept with fewer digits', () => {
  it.each<[string, (row: number) => number | null]>([
    ['is followed from one with more', () => after({ days: 1 })],
    ['tells the anchor where that one is empty', () => null],
    [
      'is as it was loaded where that one is empty in some rows',
      (g) => (g % 3 === 0 ? after({ days: 1 }) : null),
    ],
  ])('%s', async (_, seen) => {
    await database.query('alter table own alter expires_at type timestamptz(0)');
    const fixture = fixtureOf({
      columns: { id: 'text', expires_at: ANCHORED, seen_at: ANCHORED },
      *rows(first: number, last: number) {
        for (let g = first; g <= last; g++) yield [`a-${g}`, after({ days: g }), seen(g)];
      },
    });
    await load(run(fixture));
    const found = await verified(fixture);
    expect(found).toMatchObject({ intact: true, anchorCount: 1, anchors: [{ rows: 50 }] });
    expect(found.ageMs).not.toBeNull();
  });
});

describe('times of which none keeps all digits', () => {
  it.each<[string, string, string, (g: number) => number, string | undefined]>([
    ['days', 'date', 'date', (g) => after({ days: g % 30, hours: g % 24 }), undefined],
    ['milliseconds', 'timestamptz(3)', 'date', (g) => -g * 12_345, undefined],
    ['seconds', 'timestamptz(0)', 'timestamptz(0)', (g) => g * 12_000, undefined],
    ['tenths of a second', 'timestamp(1)', 'timestamptz(0)', (g) => g * 1_234_567, undefined],
    ['seconds, by an anchor column', 'timestamptz(0)', 'timestamptz(0)', (g) => -g * 12_000, 'made_at'],
    ['both, by an anchor column', 'timestamptz(3)', 'timestamptz(0)', (g) => g * 1_234_567, 'made_at'],
    ['both, by the coarser', 'timestamptz(0)', 'timestamptz(3)', (g) => g * 1_234_567, 'made_at'],
  ])('are as they were loaded: %s', async (_, expires, made, offset, anchorColumn) => {
    await database.query(`alter table own alter expires_at type ${expires}, alter made_at type ${made}`);
    const fixture = fixtureOf({
      ...MADE,
      anchorColumn,
      *rows(first: number, last: number) {
        for (let g = first; g <= last; g++) yield [`a-${g}`, offset(g)];
      },
    });
    const look = async () => (await verify({ ...run(fixture), maxAgeMs: 60_000 })).fixtures[0]!;
    const whole = { intact: true, tooOld: false, anchorCount: 1, anchors: [{ rows: 50 }] };
    await load(run(fixture));
    expect(await look()).toMatchObject(whole);
    await database.query(
      `update own set expires_at = expires_at + interval '40 days' where id in ('a-7', 'a-9', 'a-11')`,
    );
    expect(driftOf(await look())).toEqual([['expires_at', 3]]);
    await reset(run(fixture));
    expect(await look()).toMatchObject(whole);
    const { fixtures } = await manifest(run(fixture));
    expect(fixtures[0]!.standing![0]!.ageMs).toBeLessThan(60_000);
  });
});

describe('rows of several loads', () => {
  async function loadTwice(fixture: Fixture): Promise<void> {
    await load(run(fixture));
    await database.query(`delete from own where right(id, 1) = '3'`);
    await load(run(fixture));
  }

  it('are intact where each tells its own anchor', async () => {
    const fixture = fixtureOf({ ...MADE, anchorColumn: 'made_at' });
    await loadTwice(fixture);
    expect(await verified(fixture)).toMatchObject({
      intact: true,
      anchorCount: 2,
      anchors: [{ rows: 45 }, { rows: 5 }],
    });
  });

  it('are intact where most rows have nothing that bears theirs out', async () => {
    const grownTo = (count: number): Fixture =>
      fixtureOf({
        ...MADE,
        count,
        anchorColumn: 'made_at',
        *rows(first, last) {
          for (let g = first; g <= last; g++) yield [`a-${g}`, g > 30 ? after({ days: g }) : null];
        },
      });
    await load(run(grownTo(30)));
    await load(run(grownTo(50)));
    expect(await verified(grownTo(50))).toMatchObject({
      intact: true,
      anchors: [{ rows: 30 }, { rows: 20 }],
    });
  });

  it.each([
    ['made_at', 'date', 'timestamptz'],
    ['made_at', 'timestamp(0)', 'timestamptz'],
    ['made_at', 'timestamptz', 'date'],
    ['made_at', 'timestamptz(3)', 'timestamptz(0)'],
    ['expires_at', 'date', 'timestamptz'],
    ['expires_at', 'timestamptz', 'timestamptz(0)'],
  ])('are intact by %s where made_at is a %s and expires_at a %s', async (anchorColumn, made, expires) => {
    await database.query(`alter table own alter made_at type ${made}, alter expires_at type ${expires}`);
    const fixture = fixtureOf({ ...MADE, anchorColumn });
    await load(run(fixture));
    await database.query(`update own set made_at = made_at - interval '2 d',
      expires_at = expires_at - interval '2 d'; delete from own where right(id, 1) = '3'`);
    await load(run(fixture));
    const twoLoads = { anchorCount: 2, anchors: [{ rows: 45 }, { rows: 5 }] };
    expect(await verified(fixture)).toMatchObject({ intact: true, ...twoLoads });
    for (const [column, type] of [['made_at', made] as const, ['expires_at', expires] as const]) {
      // One second might be what rounding twice makes of the anchor.
      const step = type === 'date' ? '2 d' : '2 s';
      await database.query(`update own set ${column} = ${column} + interval '${step}' where id = 'a-7'`);
      expect(driftOf(await verified(fixture))).toEqual([[column, 1]]);
      await database.query(`update own set ${column} = ${column} - interval '${step}' where id = 'a-7'`);
    }
    await reset(run(fixture));
    expect(await verified(fixture)).toMatchObject({ intact: true, anchorCount: 1 });
  });

  it.each([
    ['one time', {}, [['expires_at', 5]]],
    [
      'two times',
      MADE,
      [
        ['expires_at', 5],
        ['made_at', 5],
      ],
    ],
  ])('have drifted from most others where none does, with %s', async (_, parts, expected) => {
    const fixture = fixtureOf(parts);
    await loadTwice(fixture);
    const found = await verified(fixture);
    expect(driftOf(found)).toEqual(expected);
    expect(found).toMatchObject({ anchorCount: 1, anchors: [{ rows: 45 }] });
  });

  it('are counted, and no more than ten of them named', async () => {
    const fixture = fixtureOf({ ...MADE, anchorColumn: 'made_at' });
    await load(run(fixture));
    await database.query(`update own set made_at = made_at - make_interval(days => right(id, -2)::int),
      expires_at = expires_at - make_interval(days => right(id, -2)::int)`);
    const found = await verified(fixture);
    expect(found).toMatchObject({ intact: true, anchorCount: 50 });
    expect(found.anchors).toHaveLength(10);
    expect(found.anchors.map(({ at }) => at)).toEqual(found.anchors.map(({ at }) => at).sort());
    expect(found.ageMs).toBeGreaterThan(50 * 86_400_000);
    const { fixtures } = await manifest(run(fixture));
    expect(fixtures[0]?.standing).toMatchObject([{ anchorCount: 50, anchors: found.anchors }]);
  });
});

describe('a time that no stack writes', () => {
  const fleet = () => ({ databaseUrl: database.url, fixtures: [sizedCertificates(500), sizedAgents(300)] });
  beforeAll(() => load(fleet()));

  it.each([
    ['managed_certificates', 'created_at', '', 500],
    ['managed_certificates', 'created_at', `where id like '%7'`, 50],
    ['agents', 'registered_at', '', 300],
    ['agents', 'registered_at', `where id = 'ag-scale-00000007'`, 1],
  ])('is drift in both kinds of verify: %s %s %s', async (table, column, where, rows) => {
    await database.query(`update ${table} set ${column} = '1999-01-01' ${where}`);
    for (const isLive of [true, false]) {
      const found = (await verify({ ...fleet(), live: isLive })).fixtures.find((one) => one.table === table);
      expect(found).toMatchObject({ intact: false, drift: [{ column, rows }], live: [] });
    }
    await reset(fleet());
  });

  it('is drift where a live constant has been given the same', async () => {
    const change = `created_at = now() - interval '9 days', updated_at = now() - interval '9 days'`;
    await database.query(`update managed_certificates set ${change} where id like '%7'`);
    const { intact, fixtures } = await verify({ ...fleet(), live: true });
    expect(intact).toBe(false);
    expect(fixtures[0]).toMatchObject({
      anchorCount: 1,
      drift: [{ column: 'created_at', rows: 50 }],
      live: [{ column: 'updated_at', rows: 50 }],
    });
    await reset(fleet());
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'one load',
      () => database.query(`delete from managed_certificates; delete from agents`).then(() => load(fleet())),
    ],
    [
      'a row that was added later',
      () =>
        database
          .query(`delete from managed_certificates where id like '%7'; delete from agents where id like '%7'`)
          .then(() => load(fleet())),
    ],
    [
      'two loads of which neither has more than half',
      () =>
        database
          .query(
            `delete from managed_certificates where id like '%1' or id like '%2' or id like '%3' or id like '%4'
            or id like '%5'; delete from agents where right(id, 1) < '5'`,
          )
          .then(() => load(fleet())),
    ],
  ])('is none where a stack has renewed all at once what comes from %s', async (_, make) => {
    await make();
    await database.query(
      `update managed_certificates set expires_at = now() + interval '90 days', updated_at = now(),
         last_renewal_at = now(), status = 'Active';
       update agents set last_heartbeat_at = now()`,
    );
    expect(await verify({ ...fleet(), live: true })).toMatchObject({
      intact: true,
      fixtures: [{ drift: [] }, { drift: [] }],
    });
    const { fixtures } = await verify(fleet());
    for (const { drift } of fixtures)
      expect(drift.map(({ column }) => column)).not.toContain(/created_at|registered_at/);
    await reset(fleet());
  });

  it('is none where the stack has moved the only other one', async () => {
    await database.query(`update agents set last_heartbeat_at = now() where id = 'ag-scale-00000001'`);
    for (const isLive of [true, false]) {
      const { intact } = await verify({ ...fleet(), fixtures: [sizedAgents(1)], live: isLive });
      expect(intact).toBe(isLive);
    }
    await reset(fleet());
  });
});

describe('rows that expire', () => {
  it('make a fixture too old once all that were to expire after the load have', async () => {
    const fixture = fixtureOf({ ...MADE, anchorColumn: 'made_at', expiryColumn: 'expires_at' });
    await load(run(fixture));
    expect(await verified(fixture)).toMatchObject({ intact: true, expired: 0 });
    await database.query(
      `update own set made_at = made_at - interval '10 d', expires_at = expires_at - interval '10 d'`,
    );
    expect(await verified(fixture)).toMatchObject({ intact: true, tooOld: false, expired: 10 });
    await database.query(
      `update own set made_at = made_at - interval '20 d', expires_at = expires_at - interval '20 d'`,
    );
    expect(await verified(fixture)).toMatchObject({ intact: false, tooOld: true, expired: 25 });
  });

  it('are none where no column says so, whatever it is called', async () => {
    const fixture = fixtureOf();
    await load(run(fixture));
    await database.query(`update own set expires_at = expires_at - interval '100 d'`);
    expect(await verified(fixture)).toMatchObject({ intact: true, tooOld: false, expired: null });
  });
});

describe('a table that inherits from the target', () => {
  it('holds no row of the fixture', async () => {
    const fixture = fixtureOf(MADE);
    await load(run(fixture));
    await database.query(`create table heir () inherits (own);
      insert into heir select * from own; insert into heir values ('a-strange'); delete from only own where id < 'a-3'`);
    const gone = 50 - Number(await database.value('select count(*) from only own'));
    const found = await verified(fixture);
    expect(found).toMatchObject({ present: 50 - gone, missing: { rows: gone }, unexpected: { rows: 0 } });
    expect((await load(run(fixture))).fixtures[0]).toMatchObject({ inserted: gone, skipped: 50 - gone });
    const before = await database.query('select * from heir order by id');
    expect((await reset(run(fixture))).fixtures[0]).toMatchObject({ restored: 50, present: 50 });
    expect(await verified(fixture)).toMatchObject({ intact: true, present: 50 });
    expect(await database.query('select * from heir order by id')).toEqual(before);
    await database.query('drop table heir');
  });
});

describe('a column of the anchor’s', () => {
  const own = fixtureOf({
    columns: { id: 'text', expires_at: ANCHORED, seen_at: ANCHORED },
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`a-${g}`, after({ days: g }), 0];
    },
  });

  it.each(['date', 'timestamptz(0)', 'timestamp(3)', 'coarse'])('may be a domain, over %s', async (type) => {
    await database.query(`drop domain if exists own_time, coarse; create domain coarse as timestamptz(0);
      create domain own_time as ${type}; alter table own alter expires_at type own_time`);
    await load(run(own));
    expect((await verify(run(own))).fixtures[0]).toMatchObject({
      intact: true,
      driftedRows: 0,
      anchorCount: 1,
    });
    await reset(run(own));
    expect((await verify(run(own))).intact).toBe(true);
    await database.query('drop table own; drop domain own_time, coarse');
  });

  it.each(['time', 'timetz', 'interval', 'text'])(
    'is not of type %s, which nothing could be read back from',
    async (type) => {
      await database.query(`alter table own drop expires_at, add expires_at ${type}`);
      await expect(load(run(own))).rejects.toMatchObject({ code: 'fixture', phase: 'prepare' });
    },
  );
});
