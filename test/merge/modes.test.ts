import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { chooseFixtures } from '../../src/fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { useDatabase, WAITS_FOR_TURN } from '../support/database.js';
import { gate } from '../support/gate.js';
import { differenceSql } from '../support/oracle.js';
import { pacedAgents } from '../support/paced-agents.js';

const database = useDatabase();

/** All that the catalogue says of the tables' indexes and constraints. */
function structure(): Promise<unknown> {
  return database.query(
    `select indexname as name, indexdef as definition from pg_indexes where schemaname = 'public'
     union all
     select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
     order by 1, 2`,
  );
}

let before: unknown;

beforeAll(async () => {
  await database.query(
    `create index expression_one on managed_certificates (lower(name)) with (fillfactor = 70)`,
  );
  await database.query(`comment on index expression_one is 'stays'`);
  before = await structure();
});

afterEach(async () => {
  expect(await structure()).toEqual(before);
});

describe('exclusive mode', () => {
  it('rebuilds plain indexes of an empty table, and makes the same rows', async () => {
    const fixtures = chooseFixtures({});
    const report = await load({ databaseUrl: database.url, mode: 'exclusive', fixtures });
    expect(report.fixtures.map(({ inserted, rebuiltIndexes }) => [inserted, rebuiltIndexes.length])).toEqual([
      [10_000, 7],
      [5_000, 5],
    ]);
    for (const { name } of fixtures) {
      expect(await database.query(differenceSql(name), [report.anchor])).toEqual([]);
    }
  });

  it('keeps the indexes where the table is large against the load', async () => {
    const report = await load({
      databaseUrl: database.url,
      mode: 'exclusive',
      fixtures: [sizedCertificates(100)],
    });
    expect(report.fixtures[0]).toMatchObject({ inserted: 100, rebuiltIndexes: [] });
  });

  it('does not wait at all where it is given no time', async () => {
    const other = await database.client();
    await other.query('begin; select from agents limit 1');
    await expect(
      load({
        databaseUrl: database.url,
        mode: 'exclusive',
        fixtures: [sizedAgents(10)],
        lockTimeoutMs: 0,
      }),
    ).rejects.toMatchObject({ code: 'locked' });
    await other.query('rollback');
  });

  it('says who holds the table when it cannot be locked in time', async () => {
    const other = await database.client();
    await other.query('begin');
    await other.query('select 1 from agents limit 1');
    await expect(
      load({ databaseUrl: database.url, mode: 'exclusive', fixtures: [sizedAgents(10)], lockTimeoutMs: 200 }),
    ).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringMatching(
        /^agents could not be locked within 200 ms: held by .*pid \d+ \(\w+, test, in a transaction since .* UTC\)/,
      ) as string,
      state: 'scale_agents: nothing was changed',
    });
    await other.query('rollback');
  });

  it('takes turns with its siblings on one table without a word, however long they take', async () => {
    const { opened, open } = gate();
    // Whichever has the first turn keeps it until the other has waited for long.
    const slow = (name: string): Fixture => pacedAgents(name, (g) => (g === 4_000 ? opened : undefined));
    const notices: string[] = [];
    const loading = load({
      databaseUrl: database.url,
      mode: 'exclusive',
      fixtures: [slow('one'), slow('two')],
      lockTimeoutMs: 200,
      jobs: 2,
      onEvent: (event) => event.type === 'notice' && notices.push(event.message),
    });
    // Somebody else's lock would have been told of by then.
    const waiting = database
      .untilSession(`${WAITS_FOR_TURN} and clock_timestamp() > xact_start + interval '1500 ms'`)
      .finally(open);
    const [report] = await Promise.all([loading, waiting]);
    expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([5_000, 5_000]);
    expect(notices).toEqual([]);
    await database.query(`delete from agents where id ~ '^ag-(one|two)-'`);
  });

  it('leaves the indexes as they were when it is interrupted', async () => {
    const controller = new AbortController();
    const loading = load({
      databaseUrl: database.url,
      mode: 'exclusive',
      fixtures: [sizedCertificates(150_000)],
      signal: controller.signal,
    });
    loading.catch(() => undefined);
    await database.untilSession(`query like '%CREATE INDEX idx%'`);
    controller.abort();
    await expect(loading).rejects.toMatchObject({ code: 'interrupted', phase: 'index' });
    expect(
      await database.value(`select count(*) from managed_certificates where name like 'loadtest-scale-%'`),
    ).toBe('100');
  });
});

describe('online mode', () => {
  it('keeps nobody waiting: heartbeats go on throughout', async () => {
    const agent = await database.client();
    await agent.query(`set lock_timeout = '1s'`);
    const loading = { under: true };
    let beats = 0;
    const heart = (async () => {
      while (loading.under) {
        const id = `ag-loadtest-${String((beats % 5_000) + 1).padStart(5, '0')}`;
        const { rowCount } = await agent.query(`update agents set last_heartbeat_at = now() where id = $1`, [
          id,
        ]);
        expect(rowCount).toBe(1);
        await agent.query(`select count(*) from managed_certificates where status = 'active' and id = $1`, [
          id,
        ]);
        beats += 1;
      }
    })();
    await Promise.all([
      load({ databaseUrl: database.url, fixtures: [sizedAgents(20_000), sizedCertificates(20_000)] }).finally(
        () => (loading.under = false),
      ),
      heart,
    ]);
    expect(beats).toBeGreaterThan(20);
  });
});

describe('a rerun', () => {
  const fixtures = (): Fixture[] => [sizedAgents(20_000), sizedCertificates(20_000)];

  it('sends no row', async () => {
    const report = await load({ databaseUrl: database.url, fixtures: fixtures() });
    for (const fixture of report.fixtures) {
      expect(fixture).toMatchObject({ merge: 'none', inserted: 0, skipped: 20_000, copiedBytes: 0 });
      expect(fixture.fingerprint).toMatch(/^sha256:/);
    }
  });

  it('sends only what a larger fleet has more', async () => {
    const report = await load({ databaseUrl: database.url, fixtures: [sizedCertificates(20_100)] });
    expect(report.fixtures[0]).toMatchObject({ merge: 'insert', inserted: 100, skipped: 20_000 });
    expect(report.fixtures[0]?.copiedBytes).toBeLessThan(10_000);
  });

  it.each([
    ['a hole', `delete from agents where id = 'ag-scale-00000777'`, 1, 0],
    [
      'a key that only looks like one',
      `update agents set id = 'ag-scale-0000000x' where id = 'ag-scale-00000008'`,
      0,
      1,
    ],
    ['a row missing at the end', `delete from agents where id = 'ag-scale-00020000'`, 1, 1],
  ])('is not fooled by %s', async (_, change, inserted, blocked) => {
    await database.query(change);
    const report = await load({ databaseUrl: database.url, fixtures: [sizedAgents(20_000)] });
    const skipped = 20_000 - inserted - blocked;
    expect(report.fixtures[0]).toMatchObject({ inserted, skipped, blocked });
  });

  it('does not build upon rows that were deleted since it counted them', async () => {
    await database.query(`truncate agents cascade`);
    await load({ databaseUrl: database.url, fixtures: [sizedAgents(1_000)], settle: false });
    const growing = {
      ...sizedAgents(2_000),
      parents: [{ table: 'teams', key: { id: 't-new' }, values: { id: 't-new', name: 'New' } }],
    };
    // Keeps the load waiting between its count and its transaction.
    const other = await database.client();
    await other.query('begin; lock table teams in exclusive mode');
    const loading = load({ databaseUrl: database.url, fixtures: [growing], createParents: true });
    loading.catch(() => undefined);
    await database.untilSession(`wait_event_type = 'Lock'`);
    await database.query(`delete from agents`);
    await other.query('commit');
    expect((await loading).fixtures[0]).toMatchObject({ inserted: 2_000, present: 2_000 });
  });

  it('falls back to ON CONFLICT where a name turns out to be taken', async () => {
    await database.query(
      `insert into agents (id, name, hostname, api_key_hash) values ('thief', 'loadtest-scale-agent-00002050', 'h', 'x')`,
    );
    const report = await load({ databaseUrl: database.url, fixtures: [sizedAgents(2_100)], settle: false });
    expect(report.fixtures[0]).toMatchObject({ merge: 'on conflict', inserted: 99 });
  });
});

describe('more jobs than fixtures', () => {
  it('leave each fixture all or nothing', async () => {
    const report = await load({ databaseUrl: database.url, fixtures: [sizedCertificates(50_000)], jobs: 4 });
    expect(report).toMatchObject({ jobs: 4, fixtures: [{ inserted: 29_900, rows: 50_000 }] });
    const scale = sizedCertificates(70_000);
    const failing = {
      ...scale,
      *rows(first: number, last: number) {
        yield* scale.rows(first, last - 1) as Iterable<unknown[]>;
        throw new Error('no last row');
      },
    };
    await expect(load({ databaseUrl: database.url, fixtures: [failing], jobs: 4 })).rejects.toMatchObject({
      code: 'fixture',
      state: 'scale_certs: nothing was changed',
    });
  });
});

describe('the order of locks', () => {
  const commands: [string, () => Promise<{ fixtures: { present: number }[] }>][] = [
    ['load in exclusive mode', () => load({ ...certs(), mode: 'exclusive' })],
    ['reset', () => reset(certs())],
    ['reset in exclusive mode', () => reset({ ...certs(), mode: 'exclusive' })],
  ];
  const DEADLOCK_MS = 100;
  const certs = () => ({
    databaseUrl: `${database.directUrl}?options=-cdeadlock_timeout%3D${DEADLOCK_MS}ms`,
    fixtures: [sizedCertificates(50)],
    settle: false,
  });
  const HOLD_PARENT = `select from owners where id = 'o-carol' for update`;

  beforeEach(async () => {
    await database.query('truncate managed_certificates cascade');
  });

  it.each(commands)('of %s keeps whoever holds a parent from no table', async (_, command) => {
    const holder = await database.client();
    await holder.query(`begin; ${HOLD_PARENT}`);
    const running = command();
    await database.untilSession(`wait_event_type = 'Lock'`);
    await holder.query('lock table managed_certificates in row exclusive mode nowait');
    await holder.query('commit');
    expect((await running).fixtures[0]?.present).toBe(50);
  });

  it.each(commands)('of %s ends no other session in a deadlock', async (_, command) => {
    const holder = await database.client();
    await holder.query('begin; lock table managed_certificates in row exclusive mode');
    const running = command();
    // Were it waiting still, it would have looked for a deadlock by now, and the other be the one that finds it.
    await database.untilSession(
      `wait_event = 'relation' and clock_timestamp() > xact_start + interval '${3 * DEADLOCK_MS} ms'`,
    );
    await holder.query(`set local statement_timeout = '5s'; ${HOLD_PARENT}`);
    await holder.query('commit');
    expect((await running).fixtures[0]?.present).toBe(50);
  });

  it.each(commands)('of %s keeps no index from being made that waits for its end', async (_, command) => {
    const [holder, maker] = [await database.client(), await database.client()];
    await holder.query(`begin; ${HOLD_PARENT}`);
    const running = command();
    running.catch(() => undefined);
    // Waiting for the parent, it looks at rows, for which whoever makes an index waits with the table locked.
    await database.untilSession(`wait_event_type = 'Lock'`);
    await maker.query('create index concurrently awaiting on managed_certificates (source)');
    await maker.query('drop index awaiting');
    await holder.query('commit');
    expect((await running).fixtures[0]?.present).toBe(50);
  });

  it('of a load in exclusive mode says whose row it could not have in time', async () => {
    const holder = await database.client();
    await holder.query(`begin; ${HOLD_PARENT}`);
    const loading = load({ ...certs(), mode: 'exclusive', lockTimeoutMs: 600 });
    await expect(loading).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringMatching(
        /could not be locked within 600 ms: held by pid \d+ \(\w+, test,/,
      ) as string,
    });
    await holder.query('rollback');
  });

  it('of a load in exclusive mode waits no less long for parents that only rows name', async () => {
    await database.query(
      `create table racks (id text primary key); insert into racks values ('r-1');
       create table slots (id text primary key, rack text references racks); create index on slots (rack)`,
    );
    const slots = defineFixture({
      name: 'slots',
      table: 'slots',
      count: 1,
      columns: { id: 'text', rack: 'text' },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: 's-' },
      rows: () => [['s-1', 'r-1']],
    });
    const holder = await database.client();
    await holder.query('begin; select from racks for update');
    const loading = load({ ...certs(), mode: 'exclusive', fixtures: [slots] });
    const waiting = `query like '%for key share%' and clock_timestamp() > query_start + interval '${3 * DEADLOCK_MS} ms'`;
    await Promise.race([loading, database.untilSession(`wait_event_type = 'Lock' and ${waiting}`)]);
    await holder.query('commit');
    expect((await loading).fixtures[0]?.inserted).toBe(1);
    await database.query('drop table slots, racks');
  });
});
