import { beforeAll, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import type { LoadReport } from '../../src/report/result.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

/** Three rows of a table of the test's own whose column `p` refers to a parent; unset where it is left to its default. */
function loadChildren(
  table: string,
  type: string,
  value?: unknown,
  options: LoadOptions = {},
): Promise<LoadReport> {
  const fixture = defineFixture({
    name: table,
    table,
    count: 3,
    columns: { id: 'text' },
    constants: value === undefined ? {} : { p: { type, value } },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'a-' },
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`a-${g}`];
    },
  });
  return load({ databaseUrl: database.url, fixtures: [fixture], settle: false, verify: true, ...options });
}

const bySet = { foreignKeys: { check: 'set', reason: 'every distinct parent is checked and locked once' } };

describe('a parent row that the foreign key’s own trigger would not find', () => {
  it('lies in a table that inherits from the parent', async () => {
    await database.query(
      `create table owner_group (id text primary key); create table archive () inherits (owner_group);
       insert into archive values ('old'); insert into owner_group values ('new');
       create table of_group (id text primary key, p text references owner_group)`,
    );
    await expect(loadChildren('of_group', 'text', 'old')).rejects.toMatchObject({
      code: 'parents',
      message: 'fixture of_group: owner_group has no row old, to which p would refer',
    });
    expect(await loadChildren('of_group', 'text', 'new')).toMatchObject(bySet);
  });

  it('has the value that is sent, and not the one that is stored', async () => {
    await database.query(
      `create table price (id numeric(10,3) primary key); insert into price values (1.239), (2);
       create table of_price (id text primary key, p numeric(10,2) references price)`,
    );
    await expect(loadChildren('of_price', 'numeric', '1.239')).rejects.toMatchObject({
      message: 'fixture of_price: price has no row 1.24, to which p would refer',
    });
    expect(await loadChildren('of_price', 'numeric', '2.001')).toMatchObject(bySet);
  });

  it('is wanted by the default of a domain', async () => {
    await database.query(
      `create table profile (id text primary key); create domain profile_id as text default 'none';
       create table of_profile (id text primary key, p profile_id references profile)`,
    );
    await expect(loadChildren('of_profile', 'text')).rejects.toMatchObject({
      message: 'fixture of_profile: profile has no row none, to which p would refer',
    });
    await database.query(`insert into profile values ('none')`);
    expect(await loadChildren('of_profile', 'text')).toMatchObject({ ...bySet, verified: { intact: true } });
  });
});

describe('a parent that is partitioned', () => {
  beforeAll(async () => {
    await database.query(
      `create table site (id text primary key) partition by hash (id);
       create table site_0 partition of site for values with (modulus 2, remainder 0);
       create table site_1 partition of site for values with (modulus 2, remainder 1);
       insert into site values ('a'), ('b'), ('c');
       create table of_site (id text primary key, p text references site)`,
    );
  });

  it('has its rows in any partition', async () => {
    expect(await loadChildren('of_site', 'text', 'a')).toMatchObject(bySet);
    await database.query('delete from of_site');
    expect(await loadChildren('of_site', 'text', 'b')).toMatchObject(bySet);
  });

  it('is missed like any other', async () => {
    await database.query('delete from of_site');
    await expect(loadChildren('of_site', 'text', 'x')).rejects.toMatchObject({
      message: 'fixture of_site: site has no row x, to which p would refer',
    });
  });
});

it('a parent that row security hides from the role is left to the foreign key, which finds it', async () => {
  const role = await database.role();
  await database.query(
    `create table hidden (id text primary key); insert into hidden values ('there');
     alter table hidden enable row level security;
     create table of_hidden (id text primary key, p text references hidden);
     grant select, insert, update on hidden, of_hidden, managed_certificates, agents to ${role}`,
  );
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'pw'];
  const reports = [
    await loadChildren('of_hidden', 'text', 'there', { databaseUrl: url.href }),
    await loadChildren('of_hidden', 'text', 'there', { databaseUrl: url.href, mode: 'exclusive' }),
  ];
  expect(reports.map(({ fixtures }) => fixtures[0]?.present)).toEqual([3, 3]);
  expect(reports[0]?.foreignKeys.check).toBe('row');
});

it.each(['online', 'exclusive'] as const)(
  'a parent that a trigger makes need not stand before a load in %s mode',
  async (mode) => {
    await database.query(
      `drop table if exists of_made, made; create table made (id text primary key);
       create table of_made (id text primary key, p text references made);
       create or replace function make() returns trigger language plpgsql as
         'begin insert into made values (new.p) on conflict do nothing; return new; end';
       create trigger make before insert on of_made for each row execute function make()`,
    );
    expect((await loadChildren('of_made', 'text', 'new', { mode })).fixtures[0]?.inserted).toBe(3);
  },
);
