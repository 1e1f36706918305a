import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { sizedCertificates } from '../../src/fixtures/sized.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const REBUILT = 'PostgreSQL checks each once: they are dropped and added again, with their parents locked';
let owner: string;
let stranger: string;

/** All that the catalogue says of foreign keys, but for what is numbered anew each time. */
function catalogue(): Promise<unknown[]> {
  return database.query(`
    select k.conname, (to_jsonb(k) - 'oid')::text as constraint, pg_get_constraintdef(k.oid) as definition,
      obj_description(k.oid, 'pg_constraint') as comment,
      (select jsonb_agg(to_jsonb(t) - '{oid,tgname,tgconstraint}'::text[] order by t.tgrelid, t.tgtype, t.tgfoid)
        from pg_trigger t where t.tgconstraint = k.oid) as triggers,
      (select jsonb_agg(pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) || d.deptype::text
          order by d.refclassid, d.refobjid, d.refobjsubid)
        from pg_depend d where d.classid = 'pg_constraint'::regclass and d.objid = k.oid) as "dependsOn",
      (select count(*) from pg_depend d where d.refclassid = 'pg_constraint'::regclass and d.refobjid = k.oid) as dependents
    from pg_constraint k where k.contype = 'f' order by k.conrelid, k.conname`);
}

/** A fixture of 2,000 certificates, each of a team that `teamOf` names. */
function withTeams(teamOf: (row: number) => string) {
  return defineFixture({
    name: 'teams_apart',
    table: 'managed_certificates',
    count: 2000,
    columns: { id: 'text', team_id: 'text' },
    derived: { name: { type: 'text', sameAs: 'id' }, common_name: { type: 'text', sameAs: 'id' } },
    constants: {
      owner_id: { type: 'text', value: 'o-carol' },
      issuer_id: { type: 'text', value: 'iss-local' },
      renewal_policy_id: { type: 'text', value: 'rp-standard' },
      status: { type: 'text', value: 'active' },
    },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'apart-' },
    *rows(first, last) {
      for (let row = first; row <= last; row++) yield [`apart-${row}`, teamOf(row)];
    },
  });
}

/** A fixture of a table of its name, all rows of which refer to one parent by a column. */
function referring(name: string, count: number, column: string, parent: string) {
  return defineFixture({
    name,
    table: name,
    count,
    columns: { id: 'text' },
    constants: { [column]: { type: 'text', value: parent } },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: `${name}-` },
    *rows(first, last) {
      for (let row = first; row <= last; row++) yield [`${name}-${row}`];
    },
  });
}

async function loadAsOwner(more: LoadOptions = {}) {
  const url = new URL(database.url);
  [url.username, url.password] = [owner, 'pw'];
  return load({
    databaseUrl: url.href,
    mode: 'exclusive',
    fixtures: [sizedCertificates(2000)],
    settle: false,
    ...more,
  });
}

beforeAll(async () => {
  [owner, stranger] = [await database.role(), await database.role()];
  await database.query(`
    do $$ begin execute format('grant %I to ${owner}', current_user); end $$;
    alter table managed_certificates drop constraint managed_certificates_team_id_fkey,
      add constraint managed_certificates_team_id_fkey foreign key (team_id) references teams
        on update cascade on delete restrict deferrable initially deferred;
    comment on constraint managed_certificates_team_id_fkey on managed_certificates is 'the team''s'`);
});

let before: unknown[];

beforeEach(async () => {
  await database.query('truncate managed_certificates cascade');
  before = await catalogue();
});

afterEach(async () => {
  expect(await catalogue()).toEqual(before);
});

describe('in exclusive mode, an owner without the replication right', () => {
  it('has foreign keys checked by set, and finds them as they were', async () => {
    const foreseen = await loadAsOwner({ dryRun: true });
    const { fixtures, foreignKeys } = await loadAsOwner();
    expect(fixtures).toMatchObject([{ inserted: 2000, rebuiltIndexes: { length: 7 } }]);
    expect(foreseen.foreignKeys).toEqual(foreignKeys);
    expect(foreignKeys).toEqual({ check: 'set', reason: REBUILT });
  });

  it('finds them as they were where a row has no parent', async () => {
    // A batch that comes late, and a parent that no survey looks for.
    const fixture = withTeams((row) => (row === 1900 ? 't-nobody' : 't-payments'));
    await expect(loadAsOwner({ fixtures: [fixture] })).rejects.toMatchObject({
      code: 'parents',
      message: expect.stringContaining('teams has no row t-nobody') as string,
    });
    expect(await database.value('select count(*) from managed_certificates')).toBe('0');
  });

  it('finds them as they were where another’s row has none', async () => {
    await database.query(`set session_replication_role = replica;
      insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id, status)
        values ('orphan', 'orphan', 'orphan', 'o-nobody', 't-payments', 'iss-local', 'rp-standard', 'active');
      reset session_replication_role`);
    await expect(loadAsOwner()).rejects.toMatchObject({
      code: 'parents',
      phase: 'index',
      message: expect.stringMatching(/a row that stood before has no parent: .*o-nobody/s) as string,
      hint: 'load with --mode online, which leaves the foreign keys alone',
    });
    expect(await database.value('select count(*) from managed_certificates')).toBe('1');
    expect((await loadAsOwner({ mode: 'online' })).fixtures).toMatchObject([{ inserted: 2000 }]);
  });

  it.each([
    [
      'lets others through to a parent while it waits for a row of that',
      `select from teams where id = 't-payments' for update`,
      'select count(*) from teams',
    ],
    [
      'holds no table while it waits for one that this refers to',
      'lock table teams in access share mode',
      'lock table managed_certificates in access share mode nowait',
    ],
  ])('%s', async (_, held, read) => {
    const [holder, reader] = [await database.client(), await database.client()];
    await holder.query(`begin; ${held}`);
    const loading = loadAsOwner();
    loading.catch(() => undefined);
    await database.untilSession(`wait_event_type = 'Lock'`);
    // Less than it waits in all.
    await reader.query(`set statement_timeout = '8s'; ${read}`);
    await holder.query('rollback');
    expect((await loading).fixtures).toMatchObject([{ inserted: 2000 }]);
  });

  it.each([
    [
      'an event trigger might forbid it',
      `create function heed() returns event_trigger language plpgsql as 'begin end';
       create event trigger heed on sql_drop execute function heed()`,
      'drop event trigger heed; drop function heed',
      'the database has event triggers',
    ],
    [
      'one is not validated',
      `alter table managed_certificates drop constraint managed_certificates_issuer_id_fkey,
         add constraint managed_certificates_issuer_id_fkey foreign key (issuer_id) references issuers not valid`,
      'alter table managed_certificates validate constraint managed_certificates_issuer_id_fkey',
      'managed_certificates_issuer_id_fkey is not validated',
    ],
    [
      'the triggers of one are switched off',
      'alter table issuers disable trigger all',
      'alter table issuers enable trigger all',
      'triggers of managed_certificates_issuer_id_fkey are switched',
    ],
    [
      'the parent is of another owner',
      'alter table owners owner to STRANGER; grant select, update (id), references on owners to OWNER',
      'alter table owners owner to current_user',
      'the role may not lock owners',
    ],
    [
      'the parent has several unique indexes that one may hang on',
      'create unique index issuers_again on issuers (id) include (name)',
      'drop index issuers_again',
      'issuers has several unique indexes over the same columns',
    ],
    [
      'the table is large against the load',
      `insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id, status)
         select g, g, g, 'o-carol', 't-payments', 'iss-local', 'rp-standard', 'active' from generate_series(1, 2001) as g`,
      'truncate managed_certificates cascade',
      'managed_certificates holds more rows than are added',
    ],
    [
      'one stems from a partitioned table',
      `create table parted (like managed_certificates) partition by list (source);
       alter table parted add constraint stems foreign key (issuer_id) references issuers on delete restrict;
       alter table managed_certificates drop constraint managed_certificates_issuer_id_fkey;
       alter table parted attach partition managed_certificates default;
       alter table parted detach partition managed_certificates; drop table parted`,
      `alter table managed_certificates drop constraint stems,
         add constraint managed_certificates_issuer_id_fkey foreign key (issuer_id) references issuers on delete restrict`,
      'stems stems from a partitioned table',
    ],
    [
      'one refers to the table itself',
      'alter table managed_certificates add constraint own foreign key (revocation_reason) references managed_certificates (name)',
      'alter table managed_certificates drop constraint own',
      'foreign key own refers to managed_certificates itself',
    ],
    [
      'the table is of another owner',
      `alter table managed_certificates owner to STRANGER;
       grant select, insert, update on managed_certificates to OWNER`,
      'alter table managed_certificates owner to current_user',
      'the role does not own managed_certificates',
    ],
  ])('has them checked by row where %s', async (_, make, unmake, obstacle) => {
    await database.query(make.replace('STRANGER', stranger).replaceAll('OWNER', owner));
    before = await catalogue();
    const foreseen = await loadAsOwner({ force: true, dryRun: true });
    const { foreignKeys, fixtures } = await loadAsOwner({ force: true });
    expect(foreseen.foreignKeys).toEqual(foreignKeys);
    expect(fixtures).toMatchObject([{ inserted: 2000 }]);
    expect(foreignKeys.check).toBe('row');
    expect(foreignKeys.reason.split('; nor are they dropped: ')[1]).toBe(obstacle);
    expect(await catalogue()).toEqual(before);
    await database.query(unmake);
    before = await catalogue();
  });

  it('has one checked by row whose parent is in a schema that it may not use', async () => {
    await database.query(
      `create schema walled authorization ${stranger};
       create table walled.kinds (id text primary key); insert into walled.kinds values ('k-1');
       create table things (id text primary key, kind text not null references walled.kinds)`,
    );
    const fixtures = [referring('things', 100, 'kind', 'k-1')];
    const foreseen = await loadAsOwner({ fixtures, dryRun: true });
    const done = await loadAsOwner({ fixtures });
    expect(done).toMatchObject({
      fixtures: [{ inserted: 100 }],
      foreignKeys: {
        check: 'row',
        reason: expect.stringMatching(
          /; nor are they dropped: the role may not lock rows of kinds$/,
        ) as string,
      },
    });
    expect(foreseen.foreignKeys).toEqual(done.foreignKeys);
    await database.query('drop table things; drop schema walled cascade');
  });

  it('leaves the parents alone of a table that is known to be large against the load', async () => {
    await database.query(`insert into managed_certificates
        (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id, status)
      select g, g, g, 'o-carol', 't-payments', 'iss-local', 'rp-standard', 'active' from generate_series(1, 2001) as g`);
    await database.query('analyze managed_certificates');
    const other = await database.client();
    await other.query('begin; lock table teams in access share mode');
    expect((await loadAsOwner({ force: true, lockTimeoutMs: 100 })).foreignKeys.check).toBe('row');
    await other.query('rollback');
  });

  it('waits for its siblings that have the same parents for as long as they take', async () => {
    await database.query('create table badges (id text primary key, team_id text not null references teams)');
    const badges = referring('badges', 20_000, 'team_id', 't-payments');
    const { fixtures } = await loadAsOwner({
      fixtures: [sizedCertificates(20_000), badges],
      jobs: 2,
      lockTimeoutMs: 10,
    });
    expect(fixtures.map(({ inserted }) => inserted)).toEqual([20_000, 20_000]);
    await database.query('drop table badges');
  });

  it('drops nothing for rows that stand, whose keys do not count', async () => {
    const fixtures = [withTeams(() => 't-payments')];
    expect((await loadAsOwner({ fixtures })).fixtures).toMatchObject([{ rebuiltIndexes: { length: 7 } }]);
    const again = await loadAsOwner({ fixtures });
    expect(again).toMatchObject({
      fixtures: [{ inserted: 0, rebuiltIndexes: [] }],
      foreignKeys: { check: 'row' },
    });
  });

  it('leaves a key alone by which no row refers, and its parent', async () => {
    const other = await database.client();
    await other.query('begin; lock table certificate_profiles in access share mode');
    expect((await loadAsOwner()).foreignKeys.check).toBe('set');
    await other.query('rollback');
  });
});
