import { beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture, FixtureDefinition } from '../../src/fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

function fixtureOf(parts: Partial<FixtureDefinition> = {}): Fixture {
  return defineFixture({
    name: 'things',
    table: 'things',
    count: 90,
    columns: { id: 'text', name: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'th-' },
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`th-${String(g).padStart(4, '0')}`, `thing ${g}`];
    },
    ...parts,
  });
}

const COUNTED = { numberedKeys: { id: { prefix: 'th-', digits: 4, suffix: '' } } };
const run = (...fixtures: Fixture[]) => ({ databaseUrl: database.url, fixtures, settle: false });

beforeEach(() =>
  database.query(`
    drop table if exists things, kids, log, assign cascade;
    truncate managed_certificates, agents cascade;
    create table things (id text primary key, name text) partition by range (id);
    create table things_1 partition of things for values from ('th-0000') to ('th-0046');
    create table things_2 partition of things for values from ('th-0046') to ('th-9999')`),
);

/** A trigger of one partition alone. */
const trigger = (when: string, body: string, kind = ''): string => `
  create or replace function act() returns trigger language plpgsql as $$ begin ${body} end $$;
  create ${kind} trigger own ${when} for each row execute function act()`;

describe.each([
  ['counts', COUNTED],
  ['does not count', {}],
])('a trigger of one partition, of a fixture whose key %s', (_, parts) => {
  const things = fixtureOf(parts);

  it('that deletes again at the end of the transaction is seen', async () => {
    await database.query(
      trigger(
        'after insert on things_2 deferrable initially deferred',
        'delete from things where id = new.id; return null;',
        'constraint',
      ),
    );
    for (const _ of ['bare', 'half full'])
      expect((await load(run(things))).fixtures[0]).toMatchObject({ present: 45, blocked: 45 });
  });

  it('that keeps rows fails clean', async () => {
    await load(run(things));
    await database.query(trigger('before delete on things_2', 'return null;'));
    await expect(clean(run(things))).rejects.toMatchObject({ code: 'conflict' });
    expect(await database.value('select count(*) from things')).toBe('90');
  });

  it('that keeps rows from being restored is told by reset', async () => {
    await load(run(things));
    await database.query(
      `update things set name = 'x'; ${trigger('before update on things_2', 'return null;')}`,
    );
    const [fixture] = (await reset(run(things))).fixtures;
    expect(fixture).toMatchObject({ restored: 45, overruled: [{ column: 'name', rows: 45 }] });
  });
});

describe('a foreign key', () => {
  it('to one partition alone hangs on the fleet', async () => {
    const things = fixtureOf(COUNTED);
    await load(run(things));
    await database.query(`create table kids (id text, thing text references things_1 on delete cascade);
      insert into kids values ('k', 'th-0001')`);
    const kids = [{ table: 'public.kids', rows: 1 }];
    expect((await verify(run(things))).fixtures[0]).toMatchObject({ intact: false, hanging: kids });
    expect((await reset(run(things))).fixtures[0]).toMatchObject({ dependents: kids });
    await database.query(`insert into kids values ('k', 'th-0001')`);
    expect((await clean({ ...run(things), dryRun: true })).fixtures[0]).toMatchObject({ dependents: kids });
    expect((await clean(run(things))).fixtures[0]).toMatchObject({ deleted: 90, dependents: kids });
  });

  it('of one partition alone is told of', async () => {
    const fleet = run(sizedCertificates(20));
    await load(fleet);
    await database.query(`create table log (id text, n int, cert text) partition by range (n);
      create table log_1 partition of log for values from (0) to (10);
      alter table log_1 add foreign key (cert) references managed_certificates on delete cascade;
      insert into log values ('l', 1, 'cert-loadtest-scale-00000001')`);
    const log = [{ table: 'public.log_1', rows: 1, effect: 'deleted' }];
    expect((await clean({ ...fleet, dryRun: true })).fixtures[0]?.dependents).toEqual(log);
    expect((await clean(fleet)).fixtures[0]?.dependents).toEqual(log);
  });

  it('that moves a row to another partition deletes none', async () => {
    const fleet = run(sizedAgents(20));
    await load(fleet);
    await database.query(`create table assign (id text, agent text references agents on delete set null) partition by list (agent);
      create table assign_none partition of assign for values in (null);
      create table assign_rest partition of assign default;
      insert into assign select 'a' || g, 'ag-scale-0000000' || g from generate_series(1, 5) as g`);
    const assign = [{ table: 'public.assign', rows: 5, effect: 'set null' }];
    expect((await clean({ ...fleet, dryRun: true })).fixtures[0]?.dependents).toEqual(assign);
    expect((await clean(fleet)).fixtures[0]?.dependents).toEqual(assign);
    expect(await database.value('select count(*) from assign_none')).toBe('5');
  });
});
