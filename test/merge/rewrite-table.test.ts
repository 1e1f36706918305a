import { beforeAll, describe, expect, it } from 'vitest';
import { sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';
import { OTHERS } from '../support/leftovers.js';

const database = useDatabase();
const fleet = () => ({ databaseUrl: database.url, fixtures: [sizedCertificates(3_000)] });
const FILE = `select pg_relation_filenode('managed_certificates')`;
const SIZE = `select pg_table_size('managed_certificates')`;
const OTHERS_ROWS = `select json_agg(c order by id)::text from managed_certificates c where name not like 'loadtest-scale-%'`;

/** Debian's PostgreSQL 15.20 notes there that a column's type was altered. */
const OPTIONS = `(select array_agg(o) from unnest(a.attoptions) o where o not like 'pg\\_attver=%')`;

/** All that the catalogue says of the table, but for what a rewrite is about: files, their sizes, and oids. */
const CATALOGUE = `
  with t as (select 'managed_certificates'::regclass as oid)
  select jsonb_build_object(
    'class', (select jsonb_agg(to_jsonb(c) - '{oid,relfilenode,reltoastrelid,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid}'::text[]
      order by relname) from pg_class c where c.oid = t.oid or c.oid in (select indexrelid from pg_index where indrelid = t.oid)),
    'columns', (select jsonb_agg(to_jsonb(a) || jsonb_build_object('attoptions', ${OPTIONS}) order by attnum)
      from pg_attribute a where attrelid = t.oid),
    'defaults', (select jsonb_agg(pg_get_expr(adbin, adrelid) order by adnum) from pg_attrdef where adrelid = t.oid),
    'indexes', (select jsonb_agg(pg_get_indexdef(indexrelid) order by 1) from pg_index where indrelid = t.oid),
    'constraints', (select jsonb_agg(to_jsonb(k) - 'conparentid' order by conname) from pg_constraint k where t.oid in (conrelid, confrelid)),
    'triggers', (select jsonb_agg(to_jsonb(g) order by oid) from pg_trigger g where tgrelid = t.oid),
    'comments', (select jsonb_agg(to_jsonb(d) order by objsubid) from pg_description d where objoid = t.oid),
    'dependants', (select count(*) from pg_depend where refobjid = t.oid)
  )::text from t`;

async function resetAndVerify(): Promise<void> {
  const others = await database.value(OTHERS_ROWS);
  const { fixtures } = await reset({ ...fleet(), mode: 'exclusive', force: true });
  expect(fixtures[0]).toMatchObject({ restored: 3_000, inserted: 0, blocked: 0 });
  expect((await verify(fleet())).intact).toBe(true);
  expect(await database.value(OTHERS_ROWS)).toBe(others);
}

beforeAll(async () => {
  await database.query(OTHERS);
  await load(fleet());
});

describe('a reset in exclusive mode', () => {
  it('leaves no room behind where rows were, and the catalogue as it was', async () => {
    await database.query(
      `alter table managed_certificates alter last_renewal_at set statistics 7, alter revoked_at set (n_distinct = 5);
       comment on column managed_certificates.last_renewal_at is 'stays';
       alter table managed_certificates set (fillfactor = 90); grant select (last_renewal_at) on managed_certificates to public`,
    );
    await resetAndVerify();
    const [file, size, catalogue] = [
      await database.value(FILE),
      await database.value(SIZE),
      await database.value(CATALOGUE),
    ];
    await resetAndVerify();
    expect(await database.value(FILE)).not.toBe(file);
    expect(Number(await database.value(SIZE))).toBeLessThanOrEqual(Number(size));
    expect(await database.value(CATALOGUE)).toBe(catalogue);
  });

  it.each([
    [
      'a view that shows every column',
      'create view everything as select * from managed_certificates',
      'drop view everything',
    ],
    [
      'a column of the table’s own type',
      'create table archive (certificate managed_certificates)',
      'drop table archive',
    ],
    [
      'a table that inherits from it',
      'create table heirs () inherits (managed_certificates)',
      'drop table heirs',
    ],
    [
      'an event trigger',
      `create function hear() returns event_trigger language plpgsql as 'begin end';
       create event trigger hearing on ddl_command_end execute function hear()`,
      'drop event trigger hearing',
    ],
    [
      'many more rows of others than the fixture has',
      `insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id)
       select 'x-' || g, 'x-' || g, 'x', 'o-alice', 't-platform', 'iss-local', 'rp-standard' from generate_series(1, 4000) g`,
      `delete from managed_certificates where id like 'x-%'`,
    ],
  ])('restores the rows in the table’s own file for %s', async (_, make, unmake) => {
    await database.query(make);
    const file = await database.value(FILE);
    await resetAndVerify();
    expect(await database.value(FILE)).toBe(file);
    await database.query(unmake);
  });

  it('shows an older snapshot no row, as a truncation does', async () => {
    const reader = await database.client();
    await reader.query('begin isolation level repeatable read; select from agents limit 1');
    await resetAndVerify();
    expect((await reader.query('select from managed_certificates')).rowCount).toBe(0);
    await reader.query('rollback');
  });

  it('that fails leaves the file as it was', async () => {
    const file = await database.value(FILE);
    const fixtures = [
      {
        ...sizedCertificates(3_000),
        async *rows(first: number, last: number) {
          yield* sizedCertificates(3_000).rows(first, Math.min(last, 2_000));
          if (last > 2_000) throw new Error('no more');
        },
      },
    ];
    await expect(reset({ ...fleet(), fixtures, mode: 'exclusive' })).rejects.toThrow('no more');
    expect(await database.value(FILE)).toBe(file);
    expect((await verify(fleet())).intact).toBe(true);
  });
});
