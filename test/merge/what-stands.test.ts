import { beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

type Parts = Partial<Parameters<typeof defineFixture>[0]>;

/** Five rows k-1 to k-5, which the server alone knows again, or which count. */
function fixtureOf(parts: Parts = {}): Fixture {
  return defineFixture({
    name: 'things',
    table: 'things',
    count: 5,
    columns: { id: 'text', v: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'k-' },
    *rows(first: number, last: number) {
      for (let g = first; g <= last; g++) yield [`k-${g}`, `v${g}`];
    },
    ...parts,
  });
}

const COUNTED: Parts = { numberedKeys: { id: { prefix: 'k-', digits: 1, suffix: '' } } };
const run = (fixture: Fixture) => ({ databaseUrl: database.url, fixtures: [fixture], settle: false });
const standing = async (table = 'things') => Number(await database.value(`select count(*) from ${table}`));

beforeEach(() =>
  database.query(`drop schema if exists other cascade; drop table if exists things, links, archive, kept cascade;
    drop function if exists act cascade; create table things (id text primary key, v text, unique (id, v))`),
);

const trigger = (when: string, body: string, kind = 'trigger', how = ''): string =>
  `create function act() returns trigger language plpgsql as $$begin ${body} end$$;
   create ${kind} act ${when} on things ${how} for each row execute function act()`;

describe('rows that are changed or gone by the end of the transaction', () => {
  const goes = `if new.id = 'k-3' then delete from things where id = new.id; end if; return null;`;
  it.each([
    [
      'deleted at its end',
      trigger('after insert', goes, 'constraint trigger', 'deferrable initially deferred'),
      4,
    ],
    ['deleted at once', `${trigger('after insert', goes)}; insert into things values ('k-old')`, 4],
    ['given another key', trigger('before insert', `new.id := 'x' || new.id; return new;`), 0],
  ])('are not present: %s', async (_, sql, present) => {
    for (const parts of [{}, COUNTED]) {
      await database.query('delete from things');
      await database.query(parts === COUNTED ? '' : sql);
      await expect(load(run(fixtureOf(parts)))).resolves.toMatchObject({ fixtures: [{ rows: 5, present }] });
    }
  });
});

describe('rows that nothing would know again', () => {
  const yielding = (rows: readonly (readonly unknown[])[], parts: Parts = {}): Fixture =>
    fixtureOf({ count: rows.length, rows: () => rows, ...parts });
  it.each<[string, Fixture, RegExp]>([
    ['an empty key', yielding([[null, 'v']]), /row 1: id is empty, which is no key/],
    [
      'a key of which a part is empty',
      yielding([['k-1', undefined]], { conflictKeys: [['id', 'v']] }),
      /row 1: v is empty/,
    ],
    [
      'an empty mark',
      yielding([['k-1', null]], { mark: { column: 'v', prefix: 'v' } }),
      /row 1: v does not begin with the mark v/,
    ],
    ['a number for a mark', yielding([[1, 'v']]), /row 1: id does not begin with the mark k-/],
    [
      'too few digits',
      yielding([['k-1', 'v']], { mark: { column: 'id', prefix: 'k-', digits: 2 } }),
      /row 1: id does not have 2 digits after the mark k-/,
    ],
    [
      'another number',
      yielding([['k-1', 'v']], { numberedKeys: { id: { prefix: 'k-', digits: 3, suffix: '' } } }),
      /row 1: its numberedKeys.\w+ makes k-001 of it, its rows k-1/,
    ],
  ])('are refused for %s', async (_, fixture, message) => {
    await expect(load(run(fixture))).rejects.toMatchObject({
      code: 'fixture',
      message: expect.stringMatching(message) as string,
    });
    expect(await standing()).toBe(0);
  });

  it.each([1, 2, 3])('are refused where a generator yields %i arrays again and again', async (count) => {
    const fixture = fixtureOf({
      *rows(first: number, last: number) {
        const rows = Array.from({ length: count }, () => ['', '']);
        for (let g = first; g <= last; g++) {
          const row = rows[g % count]!;
          row[0] = `k-${g}`;
          yield row;
        }
      },
    });
    await expect(load(run(fixture))).rejects.toThrow(`row ${count + 1}: is the array of a row before`);
  });

  it('are those of a column that JavaScript moves', () => {
    expect(() => fixtureOf({ columns: { id: 'text', '1': 'text' } })).toThrow('column 1: JavaScript moves');
  });

  it('are none for a column of an object’s own', async () => {
    await database.query('alter table things rename id to constructor');
    const fixture = fixtureOf({
      columns: { constructor: 'text', v: 'text' },
      conflictKeys: [['constructor']],
      mark: { column: 'constructor', prefix: 'k-' },
    });
    await load(run(fixture));
    expect(await verify(run(fixture))).toMatchObject({ intact: true });
  });
});

describe('a row that has lost its mark', () => {
  it.each<[string, Parts]>([
    ['that the server alone knows again', {}],
    ['that counts', COUNTED],
  ])('stands, has drifted, and is put back: one %s', async (_, parts) => {
    const fixture = fixtureOf({ ...parts, mark: { column: 'v', prefix: 'v' } });
    await load(run(fixture));
    await database.query(`update things set v = 'another' where id = 'k-3'`);
    for (const dryRun of [true, false])
      expect((await load({ ...run(fixture), dryRun })).fixtures[0]).toMatchObject({
        inserted: 0,
        skipped: 5,
        blocked: 0,
        firstBlocked: null,
        present: 5,
      });
    expect((await verify(run(fixture))).fixtures[0]).toMatchObject({ driftedRows: 1, missing: { rows: 0 } });
    expect((await reset(run(fixture))).fixtures[0]).toMatchObject({ restored: 5, inserted: 0, present: 5 });
    expect((await verify(run(fixture))).intact).toBe(true);
  });
});

describe('rows that are kept', () => {
  it.each([
    ['a trigger', trigger('after delete', 'insert into things select old.*; return null;'), /trigger act/],
    [
      'a trigger at the end of the transaction',
      trigger(
        'after delete',
        'insert into things select old.*; return null;',
        'constraint trigger',
        'deferrable initially deferred',
      ),
      /trigger act/,
    ],
    ['a rule', 'create rule act as on delete to things do instead nothing', /rule act/],
  ])('from a clean by %s are not deleted', async (_, sql, keeper) => {
    await load(run(fixtureOf()));
    await database.query(sql);
    await expect(clean(run(fixtureOf()))).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(keeper) as string,
      state: 'things: nothing was changed',
    });
    expect(await standing()).toBe(5);
  });

  it.each(['online', 'exclusive'] as const)(
    'by row security are neither reset in %s mode nor cleaned',
    async (mode) => {
      const role = await database.role();
      await database.query(`alter table things enable row level security; grant all on things to ${role};
      create policy reads on things for select using (true); create policy adds on things for insert with check (true)`);
      await load(run(fixtureOf()));
      await database.query(`update things set v = 'drift'`);
      const url = new URL(database.url);
      [url.username, url.password] = [role, 'pw'];
      const options = { ...run(fixtureOf()), databaseUrl: url.href, force: true };
      const refused = { code: 'conflict', message: expect.stringContaining('row security') as string };
      await expect(reset({ ...options, mode })).rejects.toMatchObject(refused);
      const { force: _, ...plain } = options;
      await expect(clean(plain)).rejects.toMatchObject(refused);
      expect(await database.value(`select count(*) from things where v = 'drift'`)).toBe('5');
    },
  );
});

describe('a key that is checked at the end', () => {
  it('is checked by a reset, too', async () => {
    await database.query(`update agents set hostname = hostname || id;
      alter table agents add constraint once unique (hostname) deferrable`);
    const agents = sizedAgents(50);
    await load(run(agents));
    await database.query(`update agents set hostname = 'moved' where id = 'ag-scale-00000007';
      insert into agents (id, name, hostname, api_key_hash)
      values ('mine', 'mine', 'loadtest-scale-00000007.fleet.example.test', 'x')`);
    await reset(run(agents)).catch(() => undefined);
    expect(
      await database.value(`select max(n) from (select count(*) as n from agents group by hostname) as c`),
    ).toBe('1');
    await database.query(`alter table agents drop constraint once; delete from agents where id = 'mine'`);
  });
});

describe('what hangs on rows', () => {
  it('and goes further by a trigger is asked for, and goes', async () => {
    await database.query(`create table links (id int primary key, thing text references things on delete cascade);
      create table archive (id int, thing text references things on delete cascade);
      create function act() returns trigger language plpgsql as
        $$begin insert into archive values (old.id, old.thing); return null; end$$;
      create trigger act after delete on links for each row execute function act()`);
    await load(run(fixtureOf()));
    await database.query(`insert into links values (1, 'k-1')`);
    let asked = 0;
    const confirm = (): Promise<boolean> => Promise.resolve(++asked > 0);
    // Whatever becomes of it, it comes to an end.
    await reset({ ...run(fixtureOf()), confirm, timeoutMs: 20_000 }).catch((error: unknown) => {
      expect(error).not.toMatchObject({ code: 'timeout' });
    });
    expect(asked).toBeLessThan(5);
  });

  it('by a key to the table of which theirs is a partition is found', async () => {
    await database.query(`create table kept (id text primary key, v text) partition by list (id);
      drop table things; create table things partition of kept default;
      create table links (id int primary key, thing text references kept on delete cascade)`);
    await load(run(fixtureOf()));
    await database.query(`insert into links values (1, 'k-1')`);
    const { fixtures } = await verify(run(fixtureOf()));
    expect(fixtures[0]).toMatchObject({ intact: false, hanging: [{ table: 'public.links', rows: 1 }] });
    await reset(run(fixtureOf()));
    expect(await standing('links')).toBe(0);
    await database.query('drop table kept cascade');
  });

  it('in a table of the same name in another schema is found', async () => {
    await database.query(`create schema other;
      create table other.things (id text primary key, thing text references public.things on delete cascade)`);
    await load(run(fixtureOf()));
    await database.query(`insert into other.things values ('k-9', 'k-1')`);
    expect((await verify(run(fixtureOf()))).fixtures[0]).toMatchObject({
      hanging: [{ table: 'other.things', rows: 1 }],
    });
  });

  it('by a key over periods is found, and forbids a deletion', async ({ skip }) => {
    skip(Number(await database.value(`show server_version_num`)) < 180_000);
    await database.query(`create extension if not exists btree_gist; drop table things;
      create table things (id text, v daterange, primary key (id, v without overlaps));
      create table links (id text, v daterange, foreign key (id, period v) references things)`);
    const fixture = fixtureOf({
      columns: { id: 'text', v: 'daterange' },
      conflictKeys: [['id', 'v']],
      *rows(first: number, last: number) {
        for (let g = first; g <= last; g++) yield [`k-${g}`, '[2020-01-01,2021-01-01)'];
      },
    });
    await load(run(fixture));
    await database.query(`insert into links values ('k-1', '[2020-02-01,2020-03-01)')`);
    expect((await verify(run(fixture))).fixtures[0]).toMatchObject({
      intact: false,
      hanging: [{ table: 'public.links', rows: 1 }],
    });
    await expect(clean(run(fixture))).rejects.toMatchObject({ code: 'conflict' });
    expect([await standing(), await standing('links')]).toEqual([5, 1]);
  });
});
