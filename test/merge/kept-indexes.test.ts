import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const fixtures = [sizedAgents(500)];
let ownersUrl: string;

/** All that the catalogue says of the indexes, but for what is numbered anew each time. */
const CATALOGUE = `
    select c.relname, pg_get_indexdef(c.oid) as definition, obj_description(c.oid, 'pg_class') as comment,
      c.reloptions, c.relowner, c.reltablespace, (to_jsonb(i) - '{indexrelid,indcheckxmin,indexprs,indpred}'::text[])::text as index,
      (select jsonb_agg(to_jsonb(a) - 'attrelid' order by a.attnum) from pg_attribute a where a.attrelid = c.oid) as columns,
      (select jsonb_agg(to_jsonb(d) - 'objid' order by d.refclassid, d.refobjid, d.refobjsubid, d.deptype)
        from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid) as "dependsOn"
    from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = 'agents'::regclass order by 1`;

beforeAll(async () => {
  const owner = await database.role();
  const url = new URL(database.url);
  [url.username, url.password] = [owner, 'pw'];
  ownersUrl = url.href;
  await database.query(
    `alter table agents owner to ${owner}; grant select on managed_certificates to ${owner};
     grant create on schema public to ${owner};
     create schema hidden; create schema elsewhere; grant usage on schema elsewhere to ${owner};
     alter role ${owner} set search_path = public, elsewhere;
     create function elsewhere.compare(text, text) returns int immutable language sql as 'select bttextcmp($1, $2)';
     create function compared(text, text) returns int immutable language plpgsql as 'begin return compare($1, $2); end';
     create operator class hidden.own for type text using btree as operator 1 <, operator 2 <=, operator 3 =,
       operator 4 >=, operator 5 >, function 1 bttextcmp(text, text);
     create operator class by_path for type text using btree as operator 1 <, operator 2 <=, operator 3 =,
       operator 4 >=, operator 5 >, function 1 compared(text, text);
     create collation hidden.plain (locale = 'C')`,
  );
});

beforeEach(async () => {
  await database.query('truncate agents cascade');
});

afterEach(async () => {
  await database.query('drop index if exists odd');
});

describe('a load in exclusive mode', () => {
  it.each([
    ['keeps', 'a condition', `(os) where status in ('online', 'offline')`],
    ['keeps', 'an expression', '(lower(os))'],
    ['keeps', 'a column by another name than the table', '(version); alter table odd rename version to os'],
    ['keeps', 'an operator class of a schema that the role may not use', '(hostname hidden.own)'],
    ['keeps', 'a collation of such a schema', '(hostname collate hidden.plain)'],
    ['keeps', 'an operator class whose function is found by the search_path', '(hostname by_path)'],
    ['rebuilds', 'a collation of the server’s', '(hostname collate "C") include (id) with (fillfactor = 70)'],
  ])('%s an index as it is that has %s', async (does, _, definition) => {
    await database.query(
      `set search_path = public, elsewhere; create index odd on agents ${definition}; reset search_path`,
    );
    const before = await database.query(CATALOGUE);
    const { fixtures: results } = await load({ databaseUrl: ownersUrl, mode: 'exclusive', fixtures });
    const length = does === 'keeps' ? 5 : 6;
    expect(results[0]).toMatchObject({ present: 500, rebuiltIndexes: { length } });
    expect(await database.query(CATALOGUE)).toEqual(before);
  });
});

describe.each([
  ['load', load],
  ['reset', reset],
])('a %s in exclusive mode', (_, operation) => {
  it.each([
    ['a comment', `comment on index odd is 'stays'`],
    ['a parameter', 'alter index odd set (fillfactor = 70)'],
    ['an extension that it hangs on', 'alter index odd depends on extension plpgsql'],
  ])('keeps %s that another session gives an index meanwhile', async (_what, change) => {
    await database.query('create index odd on agents (os, hostname)');
    const other = await database.client();
    await other.query(`begin; ${change}`);
    const running = operation({ databaseUrl: database.url, mode: 'exclusive', fixtures });
    await database.untilSession(`wait_event_type = 'Lock'`);
    const { rows: before } = await other.query(CATALOGUE);
    await other.query('commit');
    expect((await running).fixtures[0]).toMatchObject({ present: 500 });
    expect(await database.query(CATALOGUE)).toEqual(before);
  });

  it('loads with the indexes where another session goes on with one, which is no victim of a deadlock', async () => {
    const other = await database.client();
    await other.query(`begin; comment on index idx_agents_os is 'stays'`);
    const notices: string[] = [];
    const running = operation({
      databaseUrl: database.url,
      mode: 'exclusive',
      fixtures,
      onEvent: (event) => event.type === 'notice' && notices.push(event.message),
    });
    await database.untilSession(`wait_event_type = 'Lock'`);
    expect((await other.query('select from agents')).rowCount).toBe(500);
    expect((await running).fixtures[0]).toMatchObject({ present: 500, rebuiltIndexes: [] });
    expect(notices.join()).toMatch(
      'agents is loaded with its indexes: canceling statement due to lock timeout',
    );
    await other.query('rollback');
  });

  it('ends where somebody cancels it while it waits for an index', async () => {
    const other = await database.client();
    await other.query(`begin; comment on index idx_agents_os is 'stays'`);
    const databaseUrl = `${database.directUrl}?options=-cdeadlock_timeout%3D1min`;
    const running = operation({ databaseUrl, mode: 'exclusive', fixtures });
    running.catch(() => undefined);
    await database.untilSession(`wait_event_type = 'Lock'`);
    await database.query(
      `select pg_cancel_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'scale-seed' and wait_event_type = 'Lock'`,
    );
    await other.query('rollback');
    await expect(running).rejects.toMatchObject({ code: 'server', sqlState: '57014' });
  });
});
