import type { BadInput } from './bad-input.js';

interface OtherTable extends Omit<BadInput, 'typed' | 'before' | 'after'> {
  /** Changes t.agents, which is like public.agents. */
  change: string;
  options?: string[];
  /** As a role that owns nothing. */
  asRole?: true;
}

const raising = (body: string): string =>
  `create function t.act() returns trigger language plpgsql as $$ begin ${body} end $$;
   create trigger act before insert on t.agents for each row execute function t.act()`;

const LOADED = { exit: 0, printed: /20 agents rows present/, added: 20 };

const OTHER_TABLES: readonly OtherTable[] = [
  {
    what: 'one more column that wants a value',
    change: 'alter table t.agents add region text not null',
    exit: 1,
    printed: /table agents must have a value in column region/,
  },
  {
    what: 'one more column that has a default',
    change: `alter table t.agents add region text not null default 'eu'`,
    ...LOADED,
  },
  {
    what: 'one more column that counts by itself',
    change: 'alter table t.agents add n int generated always as identity',
    ...LOADED,
  },
  {
    what: 'a column that is generated',
    change: 'alter table t.agents drop hostname, add hostname text generated always as (id) stored',
    exit: 1,
    printed: /table agents generates column hostname itself/,
  },
  {
    what: 'a column that is missing',
    change: 'alter table t.agents drop ip_address',
    exit: 1,
    printed: /table agents has no column ip_address/,
  },
  {
    what: 'a column of another type',
    change: 'alter table t.agents alter last_heartbeat_at type int using 0',
    exit: 1,
    printed:
      /column last_heartbeat_at of table agents is of type integer, which holds no time after the anchor/,
  },
  {
    what: 'a key of another type',
    change: 'alter table t.agents alter id type uuid using gen_random_uuid()',
    exit: 1,
    printed: /its mark is on column id of table agents, which is of type uuid and has no prefix/,
  },
  {
    what: 'a check that refuses a value',
    change: `alter table t.agents add constraint no_mac check (os <> 'darwin')`,
    exit: 1,
    printed: /violates check constraint "no_mac"/,
  },
  {
    what: 'constraints of other names',
    change: `alter table t.agents rename constraint agents_pkey to "PK"; alter index t.agents_name_key rename to "U; --"`,
    ...LOADED,
  },
  {
    what: 'partitions',
    change: `drop table t.agents;
      create table t.agents (like public.agents including defaults, primary key (id)) partition by hash (id);
      create table t.even partition of t.agents for values with (modulus 2, remainder 0);
      create table t.odd partition of t.agents for values with (modulus 2, remainder 1)`,
    ...LOADED,
  },
  {
    what: 'a trigger that refuses',
    change: raising(`raise exception 'not in this house';`),
    exit: 1,
    printed: /not in this house/,
  },
  {
    what: 'a trigger that keeps a row out',
    change: raising(`if new.id = 'ag-scale-00000007' then return null; end if; return new;`),
    exit: 4,
    printed:
      /scale_agents: 1 of 20 rows could not be added: the first is ag-scale-00000007, blocked by trigger act/,
    added: 19,
  },
  {
    what: 'row security',
    change: 'alter table t.agents enable row level security; grant select, insert on t.agents to ROLE',
    asRole: true,
    exit: 2,
    printed: /t.agents may hold rows that row security hides from this role/,
  },
  {
    what: 'row security, and --force',
    change: 'alter table t.agents enable row level security; grant select, insert on t.agents to ROLE',
    asRole: true,
    options: ['--force'],
    exit: 1,
    printed: /new row violates row-level security policy for table "agents"/,
  },
  {
    what: 'a view in its place',
    change: 'drop table t.agents; create view t.agents as select * from public.agents',
    exit: 1,
    printed: /agents in schema t is a view, not a table/,
  },
  {
    what: 'more than 100 rows of a stranger',
    change: `insert into t.agents (id, name, hostname, api_key_hash)
      select g, g, 'h', 'x' from generate_series(1, 101) as g`,
    exit: 2,
    printed: /t.agents holds 101 rows that no known fixture made: this looks like a real fleet/,
  },
];

export const TABLES: readonly BadInput[] = OTHER_TABLES.map(
  ({ change, options = [], asRole, what, ...input }) => ({
    ...input,
    what: `a table with ${what}`,
    before: `create schema t; grant usage on schema t to ROLE;
      create table t.agents (like public.agents including all); ${change}`,
    after: 'drop schema t cascade',
    typed: ({ url, roleUrl }) => [
      ...['load', '--agents', '20', '--schema', 't', ...options],
      ...['--database-url', asRole === true ? roleUrl : url],
    ],
  }),
);
