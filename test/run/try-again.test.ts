import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean, type CleanPlan } from '../../src/operations/clean.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import type { RunEvent } from '../../src/report/events.js';
import { ADVISORY_NAMESPACE } from '../../src/run/lock-fixture.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
let other: pg.Client;
let events: RunEvent[];

beforeAll(async () => {
  const name = new URL(database.directUrl).pathname.slice(1);
  await database.query(`alter database ${name} set deadlock_timeout = '600ms'`);
  other = await database.client();
  // Whoever looks first is the one that gives way.
  await other.query(`set deadlock_timeout = '5min'`);
});

beforeEach(async () => {
  await database.query('truncate managed_certificates, agents cascade');
  events = [];
});

const options = (): LoadOptions => ({
  databaseUrl: database.url,
  fixtures: [sizedAgents(3_000)],
  settle: false,
  onEvent: (event) => events.push(event),
});

const notices = (): string[] => events.flatMap((event) => (event.type === 'notice' ? [event.message] : []));

const ROW = `insert into agents (id, name, hostname, api_key_hash) values ('ag-scale-00000050', 'x', 'x', 'x')`;

/**
 * Brings a command into so many deadlocks: it holds its turn and waits for what another session `has`, by default the table,
 * which asks for that turn.
 */
async function deadlock<T>(
  command: () => Promise<T>,
  times: number,
  has = 'lock table agents in share mode',
): Promise<T> {
  await other.query(`begin; ${has}`);
  const running = command();
  running.catch(() => undefined);
  for (let time = 1; time <= times; time++) {
    await database.untilSession(`wait_event_type = 'Lock' and wait_event in ('relation', 'transactionid')`);
    await other.query('savepoint before');
    await other.query('select pg_advisory_xact_lock($1::int, hashtext($2))', [
      ADVISORY_NAMESPACE,
      'public.agents.scale_agents',
    ]);
    await other.query('rollback to savepoint before');
  }
  await other.query('rollback');
  return running;
}

const retries = (): string[] => notices().filter((message) => message.endsWith('tried again'));

describe('a deadlock', () => {
  it.each<[string, number, () => Promise<{ fixtures: object[] }>, object]>([
    ['load', 1, () => load(options()), { inserted: 3_000, skipped: 0, present: 3_000 }],
    ['load', 3, () => load(options()), { inserted: 3_000, skipped: 0, present: 3_000 }],
    ['clean', 1, () => clean(options()), { deleted: 0 }],
  ])('of %s, %i times, is tried again, told, and counted once', async (_, times, command, counts) => {
    const report = await deadlock(command, times);
    expect(report.fixtures[0]).toMatchObject(counts);
    expect(retries()).toHaveLength(times);
    expect(retries()[0]).toMatch(/^scale_agents: deadlock detected; .*; rolled back, and tried again$/);
  });

  it('that comes a fourth time ends the run, which says so', async () => {
    await expect(deadlock(() => load(options()), 4)).rejects.toMatchObject({
      sqlState: '40P01',
      message: expect.stringMatching(
        /^fixture scale_agents, copy: deadlock [^]*; given up after 4 tries$/,
      ) as string,
      state: 'scale_agents: nothing was changed',
    });
    expect(retries()).toHaveLength(3);
  });

  it('starts the progress anew', async () => {
    await deadlock(() => load(options()), 1, ROW);
    const again = events.findIndex((event) => event.type === 'phase' && event.phase === 'prepare');
    const copied = events.flatMap((event, at) =>
      event.type === 'progress' && event.phase === 'copy' ? [{ anew: at > again, rows: event.rows }] : [],
    );
    const [before, after] = [copied.filter(({ anew }) => !anew), copied.filter(({ anew }) => anew)];
    expect(after[0]).toMatchObject({ rows: before[0]?.rows });
    expect(after.at(-1)).toMatchObject({ rows: 3_000 });
  });

  it('of a deletion that was agreed to asks again, as rows may have come', async () => {
    await load(options());
    const asked: CleanPlan[] = [];
    const answers = [true, false];
    const confirm = (plan: CleanPlan): Promise<boolean> => {
      asked.push(plan);
      return Promise.resolve(answers.shift() ?? false);
    };
    const report = await deadlock(() => clean({ ...options(), confirm }), 1);
    expect(asked.map(({ rows }) => rows)).toEqual([3_000, 3_000]);
    expect(report.fixtures[0]).toMatchObject({ deleted: 0 });
    expect(await database.value('select count(*) from agents')).toBe('3000');
  });
});

describe('a deadlock before the work', () => {
  it('is tried again, and told', async () => {
    await other.query('begin; lock table teams in access exclusive mode');
    const loading = load({ ...options(), fixtures: [sizedCertificates(10)] });
    loading.catch(() => undefined);
    await database.untilSession(`wait_event_type = 'Lock' and wait_event = 'relation'`);
    // Granted once the other has given way.
    await other.query('lock table managed_certificates in access exclusive mode');
    await other.query('commit');
    expect((await loading).fixtures).toMatchObject([{ present: 10 }]);
    expect(retries()).toEqual([expect.stringContaining('deadlock detected')]);
  });
});

describe('a serialization failure', () => {
  it.each([
    [1, 'is tried again', undefined],
    [3, 'is tried again', undefined],
    [4, 'ends the run', /could not serialize; .*; given up after 4 tries$/],
  ])('that comes %i times %s', async (times, _, message) => {
    await database.query(`create sequence tries`);
    await database.query(`create function fail() returns trigger language plpgsql as $$ begin
      if nextval('public.tries') <= ${times} then
        raise 'could not serialize' using errcode = 'serialization_failure';
      end if; return null; end $$`);
    await database.query(`create trigger fail before insert on agents execute function fail()`);
    try {
      const loading = load(options());
      if (message === undefined) expect((await loading).fixtures[0]).toMatchObject({ inserted: 3_000 });
      else await expect(loading).rejects.toMatchObject({ message: expect.stringMatching(message) as string });
      expect(retries()).toHaveLength(Math.min(times, 3));
    } finally {
      await database.query('drop function fail cascade; drop sequence tries');
    }
  });

  it('is not brought about by a role whose transactions are serializable', async () => {
    const role = await database.role();
    await database.query(`grant select, insert on agents to ${role}`);
    await database.query(`grant select on managed_certificates to ${role}`);
    await database.query(`alter role ${role} set default_transaction_isolation = 'serializable'`);
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'pw'];
    await other.query(
      `begin; insert into agents (id, name, hostname, api_key_hash) values ('ag-scale-00000050', 'x', 'x', 'x')`,
    );
    const loading = load({ ...options(), databaseUrl: url.href });
    await database.untilSession(`wait_event_type = 'Lock'`);
    await other.query('commit');
    expect((await loading).fixtures[0]).toMatchObject({ inserted: 2_999, skipped: 1 });
    expect(notices()).toEqual([]);
  });
});
