import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const agents = () => ({ databaseUrl: database.url, fixtures: [sizedAgents(10)], settle: false });

beforeEach(async () => {
  await database.query('truncate agents cascade');
  await load(agents());
});

/** Gives every one of the first rows the name of the next, and the last of them that of the first. */
async function rotateNames(rows: number): Promise<void> {
  await database.query(
    `update agents set name = 'other-' || id where right(id, 2)::int <= ${rows};
     update agents set name = 'loadtest-scale-agent-' || lpad((right(id, 2)::int % ${rows} + 1)::text, 8, '0')
     where right(id, 2)::int <= ${rows}`,
  );
}

/** A trigger that does nothing, for which foreign keys cannot be checked by set, so that rows are updated. */
const TRIGGER = `create trigger own before update on agents execute function nothing()`;

describe.each([
  ['are loaded anew', ''],
  ['are updated', TRIGGER],
])('rows that hold each other’s unique keys, where rows %s', (_, trigger) => {
  beforeEach(async () => {
    await database.query(
      `create or replace function nothing() returns trigger language plpgsql as 'begin return null; end';
       drop trigger if exists own on agents; ${trigger}`,
    );
  });

  it.each([2, 3, 10])('%s of them are put back', async (rows) => {
    await rotateNames(rows);
    await database.query(`update agents set status = 'Offline'`);
    expect((await verify(agents())).fixtures[0]?.drift[0]).toMatchObject({ column: 'name', rows });
    expect((await reset(agents())).fixtures[0]).toMatchObject({ restored: 10, inserted: 0, blocked: 0 });
    expect((await verify(agents())).intact).toBe(true);
  });

  it('of which the fixture knows nothing are put back', async () => {
    await database.query(
      `create unique index own on agents (hostname);
       alter table agents add column held text;
       update agents set held = (select a.hostname from agents as a where a.id > agents.id order by a.id limit 1);
       update agents set hostname = id;
       update agents set hostname = held where held is not null;
       alter table agents drop column held`,
    );
    expect((await reset(agents())).fixtures[0]).toMatchObject({ restored: 10, inserted: 0, blocked: 0 });
    expect((await verify(agents())).intact).toBe(true);
    await database.query('drop index own');
  });

  it('and of which some are missing are put back', async () => {
    await rotateNames(3);
    await database.query(`delete from agents where id = 'ag-scale-00000002'`);
    expect((await reset(agents())).fixtures[0]).toMatchObject({ restored: 9, inserted: 1, blocked: 0 });
    expect((await verify(agents())).intact).toBe(true);
  });

  it('stay where a row of somebody else’s holds one too', async () => {
    await rotateNames(2);
    await database.query(
      `update agents set name = 'mine' where id = 'ag-scale-00000003';
       insert into agents (id, name, hostname, api_key_hash) values ('ag-real', 'loadtest-scale-agent-00000003', 'h', 'x')`,
    );
    await expect(reset(agents())).rejects.toMatchObject(refused);
    expect(await database.value(`select count(*) from agents where status = 'Online'`)).toBe('10');
  });
});

const refused = {
  code: 'conflict',
  message: expect.stringContaining('Key (name)=(loadtest-scale-agent-0000000') as string,
  state: 'scale_agents: nothing was changed',
  hint: expect.stringContaining('`scale-seed clean` and then `load`') as string,
};

describe.each([
  ['are loaded anew', ''],
  ['are updated', TRIGGER],
])('rows that refer to what hangs on them, where rows %s', (_, trigger) => {
  const STEPS = 'steps (id text primary key, job text references jobs on delete cascade)';

  it.each([
    ['a job of theirs', 'text references jobs'],
    ['one that may not go before them', 'text references jobs on delete restrict'],
    ['one, checked at the end', 'text references jobs deferrable initially deferred'],
    ['what goes with one', 'text references steps'],
    ['one, and else a job that stays', `text default 'stays' references jobs`],
    ['one in a column that must be filled', `text not null default 'stays' references jobs`],
  ])('%s', async (what, type) => {
    await database.query(
      `create or replace function nothing() returns trigger language plpgsql as 'begin return null; end';
       create table ${STEPS}; insert into jobs (id) values ('stays');
       alter table agents add column latest ${type}; ${trigger}`,
    );
    await reset(agents());
    await database.query(
      `insert into jobs (id, agent_id) select 'job-' || id, id from agents;
       insert into steps select id, id from jobs where id <> 'stays';
       update agents set latest = 'job-' || id where id > 'ag-scale-00000004'`,
    );
    const dryRun = await reset({ ...agents(), dryRun: true });
    const { fixtures } = await reset(agents());
    expect(fixtures[0], what).toMatchObject({
      restored: 10,
      dependents: expect.arrayContaining([
        { table: 'public.jobs', rows: 10, effect: 'deleted' },
        { table: 'public.steps', rows: 10, effect: 'deleted' },
      ]) as unknown,
    });
    expect(dryRun.fixtures[0]?.dependents).toEqual(fixtures[0]?.dependents);
    expect((await verify(agents())).intact).toBe(true);
    expect(await database.value('select array_agg(id) from jobs')).toEqual(['stays']);
    await database.query(
      `alter table agents drop column latest; drop table steps; drop trigger if exists own on agents; delete from jobs`,
    );
  });
});

describe('rows that hold each other’s unique keys, and can only be updated', () => {
  beforeEach(() => database.query(`drop trigger if exists own on agents; ${TRIGGER}`));
  afterAll(() => database.query('drop trigger own on agents'));

  it('stay where the column takes no name for the time between, and it is said what to do', async () => {
    await rotateNames(2);
    await database.query(`alter table agents add constraint short check (length(name) < 40)`);
    await expect(reset(agents())).rejects.toMatchObject(refused);
    await database.query('alter table agents drop constraint short');
  });

  it('stay where the key is no text and has to be there', async () => {
    const racks = defineFixture({
      name: 'racks',
      table: 'racks',
      count: 2,
      columns: { id: 'text', place: 'integer' },
      conflictKeys: [['id'], ['place']],
      mark: { column: 'id', prefix: 'r-' },
      rows: (first, last) =>
        [
          ['r-1', 1],
          ['r-2', 2],
        ].slice(first - 1, last),
    });
    await database.query(
      `create table racks (id text primary key, place int not null unique);
       ${TRIGGER.replace('agents', 'racks')}`,
    );
    const options = { ...agents(), fixtures: [racks] };
    await load(options);
    await database.query('update racks set place = place + 2; update racks set place = 5 - place');
    await expect(reset(options)).rejects.toMatchObject({ code: 'conflict', hint: refused.hint });
  });

  it('are put back where their keys share a column', async () => {
    const slots = defineFixture({
      name: 'slots',
      table: 'slots',
      count: 2,
      columns: { id: 'text', rack: 'text', label: 'text' },
      conflictKeys: [
        ['id', 'rack'],
        ['rack', 'label'],
      ],
      mark: { column: 'id', prefix: 's-' },
      rows: (first, last) =>
        [
          ['s-1', 'r', 'one'],
          ['s-2', 'r', 'two'],
        ].slice(first - 1, last),
    });
    await database.query(
      `create table slots (id text, rack text, label text, primary key (id, rack), unique (rack, label));
       ${TRIGGER.replace('agents', 'slots')}`,
    );
    const options = { ...agents(), fixtures: [slots] };
    await load(options);
    await database.query(
      `update slots set label = label || '!'; update slots set label = case id when 's-1' then 'two' else 'one' end`,
    );
    expect((await reset(options)).fixtures[0]).toMatchObject({ restored: 2, inserted: 0, blocked: 0 });
    expect((await verify(options)).intact).toBe(true);
  });
});

describe('a trigger of the table', () => {
  async function noticesOfReset(): Promise<string[]> {
    const notices: string[] = [];
    await reset({
      ...agents(),
      onEvent: (event) => {
        if (event.type === 'notice') notices.push(event.message);
      },
    });
    return notices;
  }

  beforeEach(async () => {
    await database.query(
      `create function touch() returns trigger language plpgsql as
         $$ begin new.last_heartbeat_at := now() + interval '1 hour'; return new; end $$;
       create function look() returns trigger language plpgsql as $$ begin return new; end $$`,
    );
    return () => database.query('drop function touch, look cascade');
  });

  it('that changes what was written is named, with the columns, as the next verify finds them', async () => {
    await database.query(
      `create trigger touch before update on agents for each row execute function touch()`,
    );
    expect(await noticesOfReset()).toEqual([
      'scale_agents: trigger touch of agents kept or changed what was to be written: last_heartbeat_at in 10 rows',
    ]);
    expect((await verify(agents())).fixtures[0]?.drift).toMatchObject([
      { column: 'last_heartbeat_at', rows: 10 },
    ]);
  });

  it('that changes nothing is none of the report’s business', async () => {
    await database.query(`create trigger look before update on agents for each row execute function look()`);
    expect(await noticesOfReset()).toEqual([]);
    expect((await verify(agents())).intact).toBe(true);
  });
});

describe('rows that cannot be put back', () => {
  it('are drift to the command line', async () => {
    await database.query(`delete from agents where id = 'ag-scale-00000002';
      insert into agents (id, name, hostname, api_key_hash) values ('thief', 'loadtest-scale-agent-00000002', 'h', 'x')`);
    const { code, stdout } = await run(['reset', '--agents', '10'], { DATABASE_URL: database.url });
    expect(stdout).toContain('1 row could not be added');
    expect(code).toBe(4);
  });
});

it('a row that a trigger keeps from being updated ends no reset', async () => {
  await database.query(
    `create function keep() returns trigger language plpgsql as 'begin return null; end';
     create trigger keep before update on agents for each row when (old.id = 'ag-scale-00000003') execute function keep();
     update agents set status = 'Offline' where id <> 'ag-scale-00000003'`,
  );
  const notices: string[] = [];
  const { fixtures } = await reset({
    ...agents(),
    onEvent: (event) => event.type === 'notice' && notices.push(event.message),
  });
  await database.query('drop trigger keep on agents');
  expect(fixtures[0]).toMatchObject({ restored: 9, inserted: 0, present: 10, blocked: 0 });
  expect(notices.filter((message) => message.includes('tried again'))).toEqual([]);
});
