import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { chooseFixtures } from '../../src/fixtures/registry.js';
import { PARENTS } from '../../src/fixtures/parents.js';
import { sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { ADVISORY_NAMESPACE } from '../../src/run/lock-fixture.js';
import { useDatabase, WAITS_FOR_TURN } from '../support/database.js';
import { gate } from '../support/gate.js';

const database = useDatabase();
/** Somebody waits for a lock, and in this database: other files' tests share the server. */
const LOCK_WAITED_FOR = `select exists (select from pg_locks where not granted
  and database = (select oid from pg_database where datname = current_database()))`;
const certificates = chooseFixtures({ names: ['01_bulk_renewal_certs'] });

async function foreignKeysOf(options: { user?: string; fixtures?: readonly Fixture[] } = {}) {
  const url = new URL(database.url);
  if (options.user !== undefined) [url.username, url.password] = [options.user, 'pw'];
  const { foreignKeys } = await load({
    databaseUrl: url.href,
    fixtures: options.fixtures ?? certificates,
    settle: false,
  });
  return foreignKeys;
}

describe('foreign keys are checked by set', () => {
  it('where nothing stands in the way', async () => {
    expect(await foreignKeysOf()).toEqual({
      check: 'set',
      reason: 'every distinct parent is checked and locked once',
    });
  });

  it('by an ordinary role that was granted the parameter and may lock the parents', async ({ skip }) => {
    const version = Number(await database.value('show server_version_num'));
    skip(version < 150_000, 'PostgreSQL 14 grants no parameters');
    const granted = await database.role();
    await database.query(`grant select, insert on managed_certificates to ${granted}`);
    await database.query(
      `grant select, update (id) on teams, owners, issuers, renewal_policies, certificate_profiles to ${granted}`,
    );
    await database.query(`grant set on parameter session_replication_role to ${granted}`);
    expect(await foreignKeysOf({ user: granted })).toMatchObject({ check: 'set' });
    await database.query(`revoke update (id) on issuers from ${granted}`);
    expect(await foreignKeysOf({ user: granted })).toEqual({
      check: 'row',
      reason: 'the role may not lock rows of issuers',
    });
    await database.query(`revoke set on parameter session_replication_role from ${granted}`);
  });
});

describe('foreign keys are checked row by row', () => {
  it.each<[string, string, string, string]>([
    [
      'a trigger of the user’s own',
      `create function noop() returns trigger language plpgsql as 'begin return new; end';
       create trigger audit before insert on managed_certificates for each row execute function noop()`,
      'drop trigger audit on managed_certificates',
      'managed_certificates has triggers of its own: audit',
    ],
    [
      'row security',
      'alter table managed_certificates enable row level security',
      'alter table managed_certificates disable row level security',
      'managed_certificates has row security',
    ],
    [
      'a rule',
      'create rule watch as on insert to managed_certificates do also select 1',
      'drop rule watch on managed_certificates',
      'managed_certificates has rules: watch',
    ],
    [
      'a key that is checked by a trigger',
      'alter table managed_certificates add constraint late unique (name, id) deferrable',
      'alter table managed_certificates drop constraint late',
      'managed_certificates has deferrable keys: late',
    ],
    [
      'a key that a NULL does not satisfy by itself',
      'alter table managed_certificates add constraint whole foreign key (team_id) references teams match full',
      'alter table managed_certificates drop constraint whole',
      'foreign key whole is of a special kind',
    ],
    [
      'a parent that only the row’s default tells',
      `alter table managed_certificates add backup_id text default lower('O-ALICE') references owners`,
      'alter table managed_certificates drop column backup_id',
      'the column of managed_certificates_backup_id_fkey has a default that is computed',
    ],
  ])('because of %s', async (_, make, unmake, reason) => {
    await database.query(make);
    expect(await foreignKeysOf()).toEqual({ check: 'row', reason });
    await database.query(unmake);
  });

  it('because the key refers to the table itself', async () => {
    await database.query('create table tree (id text primary key, parent text references tree)');
    const tree = defineFixture({
      name: 'tree',
      table: 'tree',
      count: 3,
      columns: { id: 'text', parent: 'text' },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: 'node-' },
      rows: () => [
        ['node-1', null],
        ['node-2', 'node-1'],
        ['node-3', 'node-2'],
      ],
    });
    expect(await foreignKeysOf({ fixtures: [tree] })).toEqual({
      check: 'row',
      reason: 'foreign key tree_parent_fkey refers to tree itself',
    });
    expect(await database.value('select count(*) from tree')).toBe('3');
  });

  it('because of a role without the right', async () => {
    const plain = await database.role();
    await database.query(`grant select, insert on managed_certificates, agents to ${plain}`);
    await database.query(
      `grant select on teams, owners, issuers, renewal_policies, certificate_profiles to ${plain}`,
    );
    await database.query(`delete from managed_certificates where id = 'cert-loadtest-bulk-00001'`);
    expect(await foreignKeysOf({ user: plain })).toEqual({
      check: 'row',
      reason: expect.stringMatching(
        /^the role may not set session_replication_role .*: grant set on parameter /,
      ) as string,
    });
  });
});

describe('a table without foreign keys', () => {
  const agents = chooseFixtures({ names: ['02_agent_fleet'] });

  it('is loaded by a role without the right, and the user’s own triggers do their work', async () => {
    const plain = await database.role();
    await database.query(`grant select, insert on agents to ${plain}`);
    await database.query(`create function retire() returns trigger language plpgsql as
      $$begin new.retired_reason = 'by trigger'; return new; end$$`);
    await database.query(
      `create trigger retires before insert on agents for each row execute function retire()`,
    );
    for (const user of [plain, undefined]) {
      await database.query(`truncate agents cascade`);
      expect(await foreignKeysOf({ fixtures: agents, ...(user === undefined ? {} : { user }) })).toEqual({
        check: 'set',
        reason: 'agents has no foreign keys',
      });
      expect(await database.value(`select count(*) from agents where retired_reason = 'by trigger'`)).toBe(
        '5000',
      );
    }
    await database.query(`drop trigger retires on agents`);
  });
});

describe('a parent that is not there', () => {
  const orphan = (owner: (g: number) => string): Fixture => {
    const scale = sizedCertificates(2_000);
    const { owner_id: _owner, ...constants } = scale.constants;
    return defineFixture({
      ...scale,
      name: 'orphans',
      conflictKeys: [['id'], ['name']],
      parents: [],
      numberedKeys: {},
      anchorColumn: 'created_at',
      frozenFingerprint: undefined,
      formulas: undefined,
      columns: { ...scale.columns, owner_id: 'text' },
      derived: { ...scale.derived },
      constants,
      *rows(first, last) {
        let g = first;
        for (const row of scale.rows(first, last) as Iterable<unknown[]>) yield [...row, owner(g++)];
      },
    });
  };

  it.each([
    ['in every batch', (g: number) => g % 2 === 1],
    ['in a later batch alone', (g: number) => g === 1_500],
  ])('%s fails the fixture when checked by set', async (_, isOrphan) => {
    const fixtures = [orphan((g) => (isOrphan(g) ? 'o-nobody' : 'o-carol'))];
    await expect(load({ databaseUrl: database.url, fixtures })).rejects.toMatchObject({
      code: 'parents',
      phase: 'merge',
      message: 'fixture orphans: owners has no row o-nobody, to which owner_id would refer',
      state: 'orphans: nothing was changed',
    });
  });

  it.each([
    ['o-nobody', 'o-nobody'],
    ['', "''"],
  ])('fails a dry run too, where it is %j and others are described', async (owner, told) => {
    const described = PARENTS.carol.map((parent) =>
      parent.table === 'owners'
        ? {
            ...parent,
            key: { id: 'o-new' },
            values: { ...parent.values, id: 'o-new', name: 'New', email: 'new@example.com' },
          }
        : parent,
    );
    const ofOwner = (last: string) => ({
      ...orphan((g) => (g === 1_500 ? last : 'o-new')),
      parents: described,
    });
    const options = { databaseUrl: database.url, createParents: true, dryRun: true };
    await load({ ...options, fixtures: [ofOwner('o-new')] });
    const refused = {
      code: 'parents',
      message: `fixture orphans: owners has no row ${told}, to which owner_id would refer`,
    };
    await expect(load({ ...options, fixtures: [ofOwner(owner)] })).rejects.toMatchObject(refused);
  });

  it('fails the fixture when checked row by row', async () => {
    await database.query('alter table managed_certificates enable row level security');
    const fixtures = [orphan(() => 'o-nobody')];
    await expect(load({ databaseUrl: database.url, fixtures })).rejects.toMatchObject({
      code: 'parents',
      phase: 'merge',
      message: expect.stringContaining('violates foreign key constraint') as string,
    });
    await database.query('alter table managed_certificates disable row level security');
    expect(
      await database.value(`select count(*) from managed_certificates where name like 'loadtest-scale-%'`),
    ).toBe('0');
  });

  it('lets many parents pass', async () => {
    const report = await load({
      databaseUrl: database.url,
      fixtures: [orphan((g) => ['o-alice', 'o-bob', 'o-carol'][g % 3]!)],
    });
    expect(report.fixtures[0]).toMatchObject({
      inserted: 2_000,
      merge: 'insert',
      foreignKeys: { check: 'set' },
    });
  });
});

describe('a parent that another session deletes at the worst moment', () => {
  beforeAll(async () => {
    await database.query(`truncate managed_certificates cascade`);
  });

  it('waits for the load, and is then refused', async () => {
    const other = await database.client();
    let deletion: Promise<unknown> | undefined;
    const report = await load({
      databaseUrl: database.url,
      fixtures: [sizedCertificates(30_000)],
      settle: false,
      onEvent: (event) => {
        if (event.type !== 'phase' || event.phase !== 'merge') return;
        deletion = database
          .untilSession(`query like '%insert into %'`)
          .then(() => other.query(`delete from owners where id = 'o-carol'`));
        deletion.catch(() => undefined);
      },
    });
    expect(report.fixtures[0]).toMatchObject({ inserted: 30_000, foreignKeys: { check: 'set' } });
    await expect(deletion).rejects.toThrow(/violates (RESTRICT setting of )?foreign key/);
  });

  it('is missed by the load, if it went first', async () => {
    await database.query(`truncate managed_certificates cascade`);
    const other = await database.client();
    await other.query('begin');
    await other.query(`delete from owners where id = 'o-carol'`);
    const loading = load({ databaseUrl: database.url, fixtures: [sizedCertificates(1_000)] });
    loading.catch(() => undefined);
    await database.untilSession(`wait_event_type = 'Lock'`);
    await other.query('commit');
    await expect(loading).rejects.toMatchObject({ code: 'parents' });
    expect(await database.value('select count(*) from managed_certificates')).toBe('0');
  });
});

describe('what another session adds after the table was looked at', () => {
  const CREATE_LOG = `create table if not exists fired (id text);
    create or replace function log_row() returns trigger language plpgsql
    as 'begin insert into fired values (new.id); return new; end'`;

  /** 2,000 certificates whose generator waits for `opened` before row `at`. */
  function waiting(at: number, opened: Promise<void>): Fixture {
    const scale = sizedCertificates(2_000);
    return {
      ...scale,
      async *rows(first, last) {
        let g = first;
        for (const row of scale.rows(first, last) as Iterable<unknown[]>) {
          if (g++ === at) await opened;
          yield row;
        }
      },
    };
  }

  /** Works on the certificates, and changes the table after it was looked at and before it is the command's turn. */
  async function changeBeforeTurn<Report>(command: () => Promise<Report>, change: () => Promise<unknown>) {
    const other = await database.client();
    const lock = [ADVISORY_NAMESPACE, 'public.managed_certificates.scale_certs'];
    await other.query('select pg_advisory_lock($1::int, hashtext($2))', lock);
    const running = command();
    running.catch(() => undefined);
    await database.untilSession(WAITS_FOR_TURN);
    await change();
    await other.query('select pg_advisory_unlock_all()');
    return running;
  }

  /** Loads 2,000 certificates, and changes the table when a statement has begun, which the rows from `at` on wait for. */
  async function changeInMidLoad(at: number, statement: string, change: () => Promise<unknown>) {
    await database.query('truncate managed_certificates cascade');
    const { opened, open } = gate();
    const loading = load({ databaseUrl: database.url, fixtures: [waiting(at, opened)], settle: false });
    loading.catch(() => undefined);
    await database.untilSession(`query like '${statement}' and state = 'idle in transaction'`);
    await change();
    open();
    return (await loading).fixtures[0];
  }

  beforeAll(async () => {
    await database.query(CREATE_LOG);
    await database.query(`insert into owners (id, name, email, team_id)
      values ('o-carol', 'Carol', 'carol@example.com', 't-payments') on conflict do nothing`);
  });

  const certs = () => ({ databaseUrl: database.url, fixtures: [sizedCertificates(2_000)], settle: false });

  describe.each(['online', 'exclusive'] as const)('and before it begins in %s mode', (mode) => {
    beforeEach(() => database.query('delete from managed_certificates'));

    it.each([
      [
        'a trigger',
        'create trigger late_comer after insert on managed_certificates for each row execute function log_row()',
        'drop trigger late_comer on managed_certificates',
        'managed_certificates has triggers of its own: late_comer',
      ],
      [
        'a rule',
        'create rule late_comer as on insert to managed_certificates do also insert into fired values (new.id)',
        'drop rule late_comer on managed_certificates',
        'managed_certificates has rules: late_comer',
      ],
    ])('%s is not silenced', async (_, make, unmake, reason) => {
      const { fixtures } = await changeBeforeTurn(
        () => load({ ...certs(), mode }),
        () => database.query(make),
      );
      expect(fixtures[0]).toMatchObject({ inserted: 2_000, foreignKeys: { check: 'row', reason } });
      expect(await database.value('select count(*) from fired')).toBe('2000');
      await database.query(`${unmake}; truncate fired`);
    });

    it('a trigger is not silenced whose transaction was under way when the table was looked at', async () => {
      const maker = await database.client();
      await maker.query(
        'begin; create trigger late_comer after insert on managed_certificates for each row execute function log_row()',
      );
      const { fixtures } = await changeBeforeTurn(
        () => load({ ...certs(), mode }),
        () => maker.query('commit'),
      );
      expect(fixtures[0]).toMatchObject({ inserted: 2_000, foreignKeys: { check: 'row' } });
      expect(await database.value('select count(*) from fired')).toBe('2000');
      await database.query('drop trigger late_comer on managed_certificates; truncate fired');
    });

    it('a foreign key is checked', async () => {
      await database.query('create table if not exists batches (name text primary key)');
      await expect(
        changeBeforeTurn(
          () => load({ ...certs(), mode }),
          () =>
            database.query(
              'alter table managed_certificates add constraint late_comer foreign key (environment) references batches',
            ),
        ),
      ).rejects.toMatchObject({ code: 'parents', message: expect.stringContaining('batches') as string });
      expect(await database.value('select count(*) from managed_certificates')).toBe('0');
      await database.query('alter table managed_certificates drop constraint late_comer');
    });
  });

  it.each(['online', 'exclusive'] as const)(
    'a trigger is not silenced by a reset in %s mode',
    async (mode) => {
      await load(certs());
      const trigger =
        'create trigger late_comer before update on managed_certificates for each row execute function log_row()';
      const { foreignKeys } = await changeBeforeTurn(
        () => reset({ ...certs(), mode }),
        () => database.query(trigger),
      );
      expect(foreignKeys).toEqual({
        check: 'row',
        reason: 'managed_certificates has triggers of its own: late_comer',
      });
      expect(await database.value('select count(*) from fired')).toBe('2000');
      await database.query('drop trigger late_comer on managed_certificates; truncate fired');
    },
  );

  it.each([
    ['the first rows are made', 1, 'lock table %'],
    ['the merge has begun', 1_500, '%insert into %'],
  ])('has to wait once %s', async (_, at, statement) => {
    const other = await database.client();
    let made: Promise<unknown> | undefined;
    const report = await changeInMidLoad(at, statement, async () => {
      made = other.query(
        'create trigger late_comer after insert on managed_certificates for each row execute function log_row()',
      );
      await database.until(LOCK_WAITED_FOR);
    });
    await made;
    expect(report).toMatchObject({ inserted: 2_000, foreignKeys: { check: 'set' } });
    expect(await database.value('select count(*) from fired')).toBe('0');
    await database.query('drop trigger late_comer on managed_certificates');
  });

  it('need not wait where it concerns other columns of a parent than its key', async () => {
    const other = await database.client();
    const report = await changeInMidLoad(1_500, '%insert into %', () =>
      other.query(`begin; select from owners where id = 'o-carol' for no key update nowait; commit`),
    );
    expect(report).toMatchObject({ inserted: 2_000, foreignKeys: { check: 'set' } });
  });
});
