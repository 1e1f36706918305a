import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { Session } from '../../src/postgres/session.js';
import { resolveTarget } from '../../src/postgres/target.js';
import { useDatabase } from '../support/database.js';
import { pacedAgents } from '../support/paced-agents.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const database = useDatabase();

/** Has a statement of PL/pgSQL run for each agent that was inserted, when the transaction commits. */
const atCommit = (statement: string): Promise<unknown> =>
  database.query(
    `create function at_commit() returns trigger language plpgsql as $$begin ${statement}; return null; end$$;
     create constraint trigger late after insert on agents deferrable initially deferred
       for each row execute function at_commit()`,
  );

describe('a commit', () => {
  it('that is not sent any more leaves no doubt', async () => {
    const controller = new AbortController();
    const session = await Session.open(resolveTarget(database.url), controller.signal);
    const work = async (): Promise<void> => {
      await session.query('create table public.never ()');
      controller.abort(new DOMException('enough', 'AbortError'));
    };
    await expect(session.transaction(work)).rejects.toMatchObject({ code: 'interrupted', state: undefined });
    await session.close();
    expect(await database.value(`select to_regclass('public.never')`)).toBeNull();
  });

  const unknown = 'unknown: either all of it was committed or none, as the answer was lost';

  it.each([
    ['that the server refuses leaves none either', 'P0001', 'nothing was changed'],
    ['that a pooler refuses before it does, too', '08006', 'nothing was changed'],
    ['that Citus refuses before it, too', 'XX000', 'nothing was changed'],
  ])('%s', async (_, code, state) => {
    await atCommit(`raise 'not at all' using errcode = '${code}'`);
    await expect(
      load({ databaseUrl: database.url, fixtures: [sizedAgents(10)], settle: false }),
    ).rejects.toMatchObject({
      message: expect.stringContaining(`fixture scale_agents, merge: not at all`) as string,
      state: `scale_agents: ${state}`,
    });
    await database.query('drop function at_commit cascade');
  });

  it.each([
    ['before it', 'select not_at_all()', undefined],
    ['in it', 'insert into public.late values (1)', unknown],
  ])('whose message fails %s leaves the session at its disposal', async (_, sql, state) => {
    await database.query(
      `create function public.not_at_all() returns text language plpgsql as
         $$begin raise 'not at all' using errcode = '08006'; end$$;
       create function public.refuse() returns trigger language plpgsql as
         $$begin perform public.not_at_all(); return null; end$$;
       create table public.late (id int);
       create constraint trigger late after insert on public.late deferrable initially deferred
         for each row execute function public.refuse()`,
    );
    const session = await Session.open(resolveTarget(database.url), new AbortController().signal);
    const committing = session.transaction(async () => {
      await session.query('create table public.never ()');
      session.atCommit(sql.replace('select ', 'select public.')).catch(() => undefined);
      await Promise.resolve();
    });
    await expect(committing).rejects.toMatchObject({ code: 'server', state });
    await session.transaction(() => session.query('create table public.next ()'));
    await session.close();
    expect(await database.value(`select to_regclass('public.never')`)).toBeNull();
    await database.query('drop table late, next; drop function refuse, not_at_all');
  });

  it('whose answer is lost does, and that is said', async () => {
    const holder = await database.client();
    await atCommit('perform pg_advisory_xact_lock_shared(4711)');
    await holder.query('begin; select pg_advisory_xact_lock(4711)');
    const own = new URL(database.url);
    const proxy = await startTcpProxy(Number(own.port));
    own.port = String(proxy.port);
    const loading = load({ databaseUrl: own.href, fixtures: [sizedAgents(10)], settle: false });
    loading.catch(() => undefined);
    await database.untilSession(`wait_event = 'advisory' and query like '%commit'`);
    proxy.cut();
    await expect(loading).rejects.toMatchObject({
      code: 'server',
      state: 'scale_agents: unknown: either all of it was committed or none, as the answer was lost',
    });
    await holder.query('rollback');
    await proxy.close();
    await database.untilNoSession();
    await database.query('drop function at_commit cascade; delete from agents');
  });
});

describe('an interruption of a commit', () => {
  it('that the server takes leaves no doubt', async () => {
    await atCommit('perform pg_sleep(30)');
    const controller = new AbortController();
    const loading = load({
      databaseUrl: database.url,
      fixtures: [sizedAgents(10)],
      signal: controller.signal,
    });
    loading.catch(() => undefined);
    await database.untilSession(`wait_event = 'PgSleep' and query like '%commit'`);
    controller.abort();
    await expect(loading).rejects.toMatchObject({
      code: 'interrupted',
      state: 'scale_agents: nothing was changed',
    });
    await database.query('drop function at_commit cascade');
    expect(await database.value('select count(*) from agents')).toBe('0');
  });
});

describe('a commit of what changes nothing', () => {
  beforeAll(async () => {
    await load({ databaseUrl: database.url, fixtures: [sizedAgents(10)] });
  });
  afterAll(() => database.query('delete from agents'));

  // One transaction asks for the server, the next for the tables, the third does the work.
  it.each<[string, number, (options: object) => Promise<unknown>]>([
    ['verify', 1, verify],
    ['verify', 2, verify],
    ['verify', 3, verify],
    ['a dry run', 1, (options) => load({ ...options, dryRun: true })],
    ['a dry run', 3, (options) => load({ ...options, dryRun: true })],
    ['clean', 1, clean],
    ['clean', 2, clean],
    ['reset', 1, reset],
    ['reset', 2, reset],
    ['load', 2, load],
  ])('leaves no doubt in %s, whichever answer is lost: %i', async (_, nth, operation) => {
    const own = new URL(database.url);
    let commits = 0;
    const proxy = await startTcpProxy(Number(own.port), (bytes) => {
      if (bytes.includes('commit\0') && (commits += 1) === nth) proxy.cut();
    });
    own.port = String(proxy.port);
    await expect(operation({ databaseUrl: own.href, fixtures: [sizedAgents(10)] })).rejects.toMatchObject({
      code: 'server',
      state: expect.stringMatching(/^(scale_agents: )?nothing was changed$/) as string,
      hint: expect.not.stringContaining('completes') as string,
    });
    await proxy.close();
  });
});

describe('what runs on the server', () => {
  it('is cancelled where something else has failed', async () => {
    const other = await database.client();
    await other.query(
      `begin; insert into agents (id, name, hostname, api_key_hash) values ('ag-half-1', 'x', 'x', 'x')`,
    );
    const fail = async (): Promise<void> => {
      await database.untilSession(`query like '%insert into %' and wait_event_type = 'Lock'`);
      throw new Error('out of agents');
    };
    const failing = pacedAgents('half', (g) => (g === 4_000 ? fail() : undefined));
    await expect(load({ databaseUrl: database.url, fixtures: [failing] })).rejects.toMatchObject({
      message: 'fixture half: row 4000: out of agents',
      state: 'half: nothing was changed',
    });
    expect(await database.sessions(`wait_event_type = 'Lock'`)).toBe(0);
    await other.query('rollback');
  });

  it('gets no further once its transaction is rolled back', async () => {
    const session = await Session.open(resolveTarget(database.url), new AbortController().signal);
    await database.query('create table public.statements (number int)');
    const goOn = async (): Promise<void> => {
      for (let number = 1; ; number++)
        await session.query(`insert into public.statements values (${number})`);
    };
    let going = Promise.resolve();
    const work = async (): Promise<void> => {
      going = goOn();
      going.catch(() => undefined);
      await session.query('select');
      throw new Error('out of agents');
    };
    for (let tries = 0; tries < 20; tries++) {
      await expect(session.transaction(work)).rejects.toThrow('out of agents');
      await expect(going).rejects.toMatchObject({ code: expect.any(String) as string });
    }
    await session.close();
    expect(await database.value('select count(*) from public.statements')).toBe('0');
    await database.query('drop table public.statements');
  });
});

describe.skipIf(inject('poolerPort') !== 0)('a session that is killed while nobody needs it', () => {
  it('is replaced without a word', async () => {
    const slow = sizedCertificates(10);
    let killing: Promise<void> | undefined;
    const waiting: Fixture = {
      ...slow,
      async *rows(first, last) {
        await (killing ??= killIdle());
        yield* slow.rows(first, last);
      },
    };
    const killIdle = async (): Promise<void> => {
      const idle = `application_name = 'scale-seed' and state = 'idle' and datname = current_database()`;
      await database.until(`select count(*) = 5 from agents where id like 'ag-scale-%'`);
      await database.until(`select count(*) = 1 from pg_stat_activity where ${idle}`);
      await database.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${idle}`);
      await database.until(`select count(*) = 0 from pg_stat_activity where ${idle}`);
    };
    const notices: string[] = [];
    const report = await load({
      databaseUrl: database.url,
      fixtures: [sizedAgents(5), waiting],
      jobs: 2,
      onEvent: (event) => event.type === 'notice' && notices.push(event.message),
    });
    expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([5, 10]);
    expect(notices).toEqual([]);
  });
});
