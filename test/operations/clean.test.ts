import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { clean, type CleanPlan } from '../../src/operations/clean.js';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const agents = () => ({ databaseUrl: database.url, fixtures: [sizedAgents(10)], settle: false });

beforeEach(async () => {
  await database.query(
    `alter table agents drop column if exists leader; drop table if exists racks, slots; truncate agents cascade`,
  );
  await load(agents());
});

/** A trigger that does nothing, for which foreign keys cannot be checked by set. */
const TRIGGER = `create or replace function nothing() returns trigger language plpgsql as 'begin return null; end';
  create trigger own after truncate on agents execute function nothing()`;

describe.each(['set', 'row'])('by %s, foreign keys allow and forbid as PostgreSQL has it', (way) => {
  beforeEach(() => database.query(`drop trigger if exists own on agents; ${way === 'row' ? TRIGGER : ''}`));
  afterAll(() => database.query('drop trigger if exists own on agents'));

  it('and the report says which', async () => {
    const { foreignKeys } = await clean(agents());
    expect(foreignKeys.check).toBe(way);
    if (way === 'row') expect(foreignKeys.reason).toBe('agents has triggers of its own: own');
  });

  it.each(['no action', 'restrict'])(
    'rows that go along and refer to one another, on delete %s',
    async (action) => {
      await database.query(
        `alter table agents add leader text references agents on delete ${action};
       update agents set leader = 'ag-scale-00000001'`,
      );
      expect((await clean(agents())).fixtures[0]).toMatchObject({ deleted: 10, dependents: [] });
    },
  );

  it('but not the rest of such rows', async () => {
    await database.query(
      `alter table agents add leader text references agents;
       update agents set leader = 'ag-scale-00000001';
       insert into agents (id, name, hostname, api_key_hash, leader) values ('ag-real', 'real', 'h', 'x', 'ag-scale-00000002')`,
    );
    await expect(clean(agents())).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/forbid its deletion: 1 in public.agents$/) as string,
    });
  });

  it('rows that a cascade takes by another way', async () => {
    await database.query(
      `create table racks (id text primary key, agent_id text references agents on delete cascade);
       create table slots (rack_id text references racks, agent_id text references agents on delete cascade);
       insert into racks values ('r-1', 'ag-scale-00000001'), ('r-2', 'ag-scale-00000002');
       insert into slots values ('r-1', 'ag-scale-00000001'), ('r-2', 'ag-scale-00000003')`,
    );
    expect((await clean(agents())).fixtures[0]?.dependents).toEqual([
      { table: 'public.racks', rows: 2, effect: 'deleted' },
      { table: 'public.slots', rows: 2, effect: 'deleted' },
    ]);
  });

  const tooLate = `create table racks (id text primary key, agent_id text references agents on delete cascade);
     create table slots (rack_id text references racks on delete cascade, agent_id text references agents);
     insert into racks values ('r-1', 'ag-scale-00000001');
     insert into slots values ('r-1', 'ag-scale-00000001')`;

  it('a cascade that comes after all others', async () => {
    if (way === 'row') return;
    await database.query(tooLate);
    expect((await clean(agents())).fixtures[0]?.dependents).toEqual([
      { table: 'public.racks', rows: 1, effect: 'deleted' },
      { table: 'public.slots', rows: 1, effect: 'deleted' },
    ]);
    expect(await database.value('select count(*) from slots')).toBe('0');
  });

  it('but not where PostgreSQL’s own would come too late', async () => {
    if (way === 'set') return;
    await database.query(tooLate);
    await expect(clean(agents())).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('still referenced from table "slots"') as string,
      state: 'scale_agents: nothing was changed',
      hint: 'delete the rows that refer to it first',
    });
  });

  it('rows of a table that inherits from one that refers to them', async () => {
    await database.query(
      `create table racks (agent_id text references agents on delete cascade);
       create table old_racks () inherits (racks);
       insert into racks values ('ag-scale-00000001'); insert into old_racks values ('ag-scale-00000001')`,
    );
    expect((await clean(agents())).fixtures[0]?.dependents).toEqual([
      { table: 'public.racks', rows: 1, effect: 'deleted' },
    ]);
    expect(await database.value('select count(*) from old_racks')).toBe('1');
    await database.query('drop table old_racks');
  });

  it('a key that is not enforced', async () => {
    if (Number(await database.value('show server_version_num')) < 180_000) return;
    await database.query(
      `create table racks (agent_id text references agents not enforced,
         owner_id text references agents on delete cascade not enforced);
       insert into racks values ('ag-scale-00000001', 'ag-scale-00000001')`,
    );
    expect((await clean(agents())).fixtures[0]).toMatchObject({ deleted: 10, dependents: [] });
  });
});

describe.each(['set', 'row'])('by %s, what goes along', (way) => {
  beforeEach(() => database.query(`drop trigger if exists own on agents; ${way === 'row' ? TRIGGER : ''}`));
  afterAll(() => database.query('drop trigger if exists own on agents'));

  it('is counted once, whichever way it goes, and what is changed only where it stays', async () => {
    await database.query(
      `create table racks (id text primary key, agent_id text references agents on delete cascade);
       create table slots (rack_id text references racks on delete cascade,
         agent_id text references agents on delete cascade, spare_id text references agents on delete set null);
       insert into racks values ('r-1', 'ag-scale-00000001'), ('r-2', null);
       insert into slots values ('r-1', 'ag-scale-00000001', 'ag-scale-00000001'),
         ('r-1', 'ag-scale-00000002', null), ('r-2', null, 'ag-scale-00000003')`,
    );
    expect((await clean(agents())).fixtures[0]?.dependents).toEqual([
      { table: 'public.racks', rows: 1, effect: 'deleted' },
      { table: 'public.slots', rows: 2, effect: 'deleted' },
      { table: 'public.slots', rows: 1, effect: 'set null' },
    ]);
    expect(await database.query('select * from slots')).toEqual([
      { rack_id: 'r-2', agent_id: null, spare_id: null },
    ]);
  });

  it('is followed from table to table', async () => {
    await database.query(
      `create table racks (id text primary key, agent_id text references agents on delete cascade);
       create table slots (rack_id text references racks on delete cascade) partition by list (rack_id);
       create table slots_1 partition of slots for values in ('r-1');
       create table slots_2 partition of slots for values in ('r-2');
       insert into racks values ('r-1', 'ag-scale-00000001'), ('r-2', 'ag-scale-00000002'), ('r-3', null);
       insert into slots values ('r-1'), ('r-2'), ('r-2')`,
    );
    expect((await clean(agents())).fixtures[0]?.dependents).toEqual([
      { table: 'public.racks', rows: 2, effect: 'deleted' },
      { table: 'public.slots', rows: 3, effect: 'deleted' },
    ]);
  });

  it('is told as changed whatever others change meanwhile', async () => {
    await database.query(
      `create table racks (id text, agent_id text references agents on delete set null);
       create table slots (agent_id text references agents on delete set null);
       insert into racks values ('r-1', 'ag-scale-00000001'), ('r-2', 'ag-scale-00000002');
       insert into slots values ('ag-scale-00000001')`,
    );
    const holder = await database.client();
    await holder.query('begin; select from slots for update');
    const cleaning = clean({ ...agents(), confirm: () => Promise.resolve(true) });
    await database.untilSession(`wait_event_type = 'Lock'`);
    await database.query(`insert into racks values ('r-3', null)`);
    await holder.query('commit');
    expect((await cleaning).fixtures[0]?.dependents).toEqual([
      { table: 'public.racks', rows: 2, effect: 'set null' },
      { table: 'public.slots', rows: 1, effect: 'set null' },
    ]);
  });

  it('is told as it was foreseen where the server counts nothing', async () => {
    await database.query(
      `create table racks (agent_id text references agents on delete cascade);
       insert into racks values ('ag-scale-00000001'), ('ag-scale-00000002')`,
    );
    const databaseUrl = `${database.directUrl}?options=-ctrack_counts%3Doff`;
    const dependents = [{ table: 'public.racks', rows: 2, effect: 'deleted' }];
    expect((await clean({ ...agents(), databaseUrl })).fixtures[0]).toMatchObject({
      deleted: 10,
      dependents,
    });
  });

  it('is followed from row to row of one table', async () => {
    await database.query(
      `alter table agents add leader text references agents on delete cascade;
       insert into agents (id, name, hostname, api_key_hash, leader)
       select 'ag-real-' || g, 'real-' || g, 'h', 'x', case g when 1 then 'ag-scale-00000001' else 'ag-real-' || g - 1 end
       from generate_series(1, 5) as g`,
    );
    expect((await clean(agents())).fixtures[0]?.dependents).toEqual([
      { table: 'public.agents', rows: 5, effect: 'deleted' },
    ]);
    expect(await database.value('select count(*) from agents')).toBe('0');
  });
});

it('rows that refer to another key than the fixture’s go along row by row', async () => {
  await database.query(
    `create table racks (agent_name text references agents (name) on delete cascade);
     insert into racks values ('loadtest-scale-agent-00000001')`,
  );
  const { foreignKeys, fixtures } = await clean(agents());
  expect(foreignKeys.reason).toBe(
    'foreign key racks_agent_name_fkey of racks refers to other columns than the key',
  );
  expect(fixtures[0]?.dependents).toEqual([{ table: 'public.racks', rows: 1, effect: 'deleted' }]);
  expect(await database.value('select count(*) from racks')).toBe('0');
});

it('a row that forbids it and is just being added is waited for, and named, row by row', async () => {
  await database.query(`${TRIGGER}; create table slots (agent_id text references agents)`);
  const other = await database.client();
  await other.query(`begin; insert into slots values ('ag-scale-00000001')`);
  const cleaning = clean(agents());
  cleaning.catch(() => undefined);
  await database.untilSession(`wait_event_type = 'Lock'`);
  await other.query('commit');
  await expect(cleaning).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(/forbid its deletion: 1 in public.slots$/) as string,
  });
  await database.query('drop trigger own on agents');
});

it('rows that get a default in place of a reference are told as such', async () => {
  await database.query(
    `insert into agents (id, name, hostname, api_key_hash) values ('ag-home', 'home', 'h', 'x');
     create table racks (agent_id text default 'ag-home' references agents on delete set default);
     insert into racks values ('ag-scale-00000001'), ('ag-home')`,
  );
  const { foreignKeys, fixtures } = await clean(agents());
  expect(foreignKeys.reason).toBe('foreign key racks_agent_id_fkey of racks sets a default');
  expect(fixtures[0]?.dependents).toEqual([{ table: 'public.racks', rows: 1, effect: 'set default' }]);
});

it.each([
  [
    'set null and a default by keys of one table count once each',
    `create table shelves (id text, rack text default 'r-home' references racks on delete set default,
       old text references racks on delete set null);
     insert into racks values ('r-home', null), ('r-1', 'ag-scale-00000001');
     insert into shelves values ('s-1', 'r-1', null), ('s-2', 'r-1', null), ('s-3', null, 'r-1'), ('s-4', 'r-1', 'r-1')`,
    [
      { table: 'public.racks', rows: 1, effect: 'deleted' },
      { table: 'public.shelves', rows: 2, effect: 'set null' },
      { table: 'public.shelves', rows: 2, effect: 'set default' },
    ],
  ],
  [
    'what a trigger writes into another table is nothing that was changed there',
    `create table shelves (what text, rack text references racks on delete set null);
     insert into racks values ('r-1', 'ag-scale-00000001'), ('r-2', 'ag-scale-00000002');
     insert into shelves values ('old', 'r-1'), ('older', null);
     create function archive() returns trigger language plpgsql as
       'begin insert into shelves (what) values (old.id); return old; end';
     create trigger archive after delete on racks for each row execute function archive()`,
    [
      { table: 'public.racks', rows: 2, effect: 'deleted' },
      { table: 'public.shelves', rows: 1, effect: 'set null' },
    ],
  ],
])('%s', async (_, sql, dependents) => {
  await database.query(`drop table if exists shelves, racks;
    create table racks (id text primary key, agent_id text references agents on delete cascade); ${sql}`);
  const dryRun = await clean({ ...agents(), dryRun: true });
  expect(dryRun.fixtures[0]?.dependents).toEqual(dependents);
  expect((await clean(agents())).fixtures[0]?.dependents).toEqual(dependents);
  await database.query('drop table shelves, racks; drop function if exists archive');
});

it('rows that a trigger keeps without a word end it, and it is said what to do', async () => {
  await database.query(
    `create table racks (agent_id text references agents on delete cascade);
     insert into racks values ('ag-scale-00000001');
     create or replace function nothing() returns trigger language plpgsql as 'begin return null; end';
     create trigger keeper before delete on racks for each row execute function nothing()`,
  );
  await expect(clean(agents())).rejects.toMatchObject({
    code: 'conflict',
    phase: 'clean',
    message: expect.stringContaining('trigger keeper kept rows of public.racks') as string,
    state: 'scale_agents: nothing was changed',
    hint: 'see to that first',
  });
  expect(await database.value('select count(*) from agents')).toBe('10');
});

describe('while an answer is waited for', () => {
  const addRacks = (first: number, last: number) =>
    database.query(
      `insert into racks select g, 'ag-scale-00000001' from generate_series(${first}, ${last}) as g`,
    );
  const racks = (rows: number) => ({ table: 'public.racks', rows, effect: 'deleted' });

  beforeEach(async () => {
    await database.query(
      `create table racks (id int primary key, agent_id text references agents on delete cascade);
       create table slots (agent_id text references agents)`,
    );
  });

  it('rows may come: it is asked again, and the report says what went', async () => {
    const plans: CleanPlan[] = [];
    const notices: string[] = [];
    const confirm = async (plan: CleanPlan): Promise<boolean> => {
      if (plans.push(plan) === 1) await addRacks(1, 500);
      return true;
    };
    const report = await clean({
      ...agents(),
      confirm,
      onEvent: (event) => {
        if (event.type === 'notice') notices.push(event.message);
      },
    });
    expect(plans.map(({ dependents }) => dependents)).toEqual([[], [racks(500)]]);
    expect(notices).toEqual([
      'scale_agents: more would go than was foreseen: rows were added, or triggers reach further',
    ]);
    expect(report.fixtures[0]).toMatchObject({ deleted: 10, dependents: [racks(500)] });
    expect(await database.value('select count(*) from racks')).toBe('0');
  });

  it('more rows of a table may come that was agreed to, and it is asked again', async () => {
    await addRacks(1, 3);
    const plans: CleanPlan[] = [];
    const confirm = async (plan: CleanPlan): Promise<boolean> => {
      if (plans.push(plan) === 1) await addRacks(4, 4);
      return true;
    };
    const report = await clean({ ...agents(), confirm });
    expect(plans.map(({ dependents }) => dependents)).toEqual([[racks(3)], [racks(4)]]);
    expect(report.fixtures[0]?.dependents).toEqual([racks(4)]);
  });

  it('a row may come that stays changed where others of its table go, and it is asked again', async () => {
    await database.query('alter table racks add spare_id text references agents on delete set null');
    await addRacks(1, 2);
    const plans: CleanPlan[] = [];
    const confirm = async (plan: CleanPlan): Promise<boolean> => {
      if (plans.push(plan) === 1)
        await database.query(`insert into racks values (3, null, 'ag-scale-00000001')`);
      return true;
    };
    await clean({ ...agents(), confirm });
    const changed = { table: 'public.racks', rows: 1, effect: 'set null' };
    expect(plans.map(({ dependents }) => dependents)).toEqual([[racks(2)], [racks(2), changed]]);
  });

  it('rows may come, and a no is still a no', async () => {
    const answers = [true, false];
    const confirm = async (): Promise<boolean> => {
      await addRacks(answers.length * 10, answers.length * 10 + 9);
      return answers.shift() === true;
    };
    const report = await clean({ ...agents(), confirm });
    expect(report.fixtures[0]).toMatchObject({ deleted: 0, dependents: [] });
    expect(await database.value('select count(*) from agents')).toBe('10');
    expect(await database.value('select count(*) from racks')).toBe('20');
  });

  it('rows may go: it is not asked again, and the report says what went', async () => {
    await addRacks(1, 5);
    const plans: CleanPlan[] = [];
    const confirm = async (plan: CleanPlan): Promise<boolean> => {
      plans.push(plan);
      await database.query(`delete from racks where id in (1, 2)`);
      return true;
    };
    const report = await clean({ ...agents(), confirm });
    expect(plans.map(({ dependents }) => dependents)).toEqual([[racks(5)]]);
    expect(report.fixtures[0]?.dependents).toEqual([racks(3)]);
  });

  it('rows may come that forbid it', async () => {
    const confirm = async (): Promise<boolean> => {
      await database.query(`insert into slots values ('ag-scale-00000001')`);
      return true;
    };
    await expect(clean({ ...agents(), confirm })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/forbid its deletion: 1 in public.slots$/) as string,
    });
  });

  it('nobody being asked, rows of a transaction that is just ending are counted too', async () => {
    const other = await database.client();
    await other.query('begin');
    await other.query(`insert into racks values (1, 'ag-scale-00000001')`);
    const cleaning = clean({ ...agents(), confirm: () => Promise.resolve(true) });
    await database.untilSession(`wait_event_type = 'Lock'`);
    await other.query('commit');
    expect((await cleaning).fixtures[0]).toMatchObject({ deleted: 10, dependents: [racks(1)] });
  });
});
