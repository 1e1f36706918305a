import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { ci } from '../../src/operations/ci.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import type { RunEvent } from '../../src/report/events.js';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import type { ScaleSeedError } from '../../src/errors.js';
import { seedParents } from '../../src/postgres/seed-parents.js';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const certs = sizedCertificates(60);
const agents = sizedAgents(40);
const notices: string[] = [];
const at = (databaseUrl: string, ...fixtures: Fixture[]) => ({
  databaseUrl,
  fixtures,
  settle: false,
  onEvent: (event: RunEvent) => event.type === 'notice' && notices.push(event.message),
});
const fleet = () => at(database.url, certs, agents);

const CERT = `'cert-loadtest-scale-' || lpad(g::text, 8, '0')`;
const JOBS = `insert into jobs select 'job-' || g, ${CERT} from generate_series(1, 9) as g`;

beforeEach(async () => {
  notices.length = 0;
  await database.query(
    'truncate managed_certificates, agents cascade; drop table if exists sub, things, sites cascade',
  );
});

/** The database's URL as a role that may do what an application may, but silence no trigger. */
async function asRole(more = ''): Promise<string> {
  const role = await database.role();
  await database.query(
    `grant select, insert, update, delete on all tables in schema public to ${role}; ${more.replaceAll('ROLE', role)}`,
  );
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'pw'];
  return url.href;
}

describe('rows that row security hides', () => {
  beforeEach(async () => {
    await load(fleet());
    await database.query(
      `alter table managed_certificates enable row level security;
       create policy few on managed_certificates using (id like '%5')`,
    );
    return () =>
      database.query(
        'drop policy few on managed_certificates; alter table managed_certificates disable row level security',
      );
  });

  it('fail a clean, wet or dry, and a reset’s forecast, and are told by verify', async () => {
    const url = await asRole();
    for (const dryRun of [true, false])
      await expect(clean({ ...at(url, certs), dryRun })).rejects.toMatchObject({ code: 'privilege' });
    await expect(reset({ ...at(url, certs), force: true, dryRun: true })).rejects.toMatchObject({
      code: 'privilege',
    });
    expect(await database.value('select count(*) from managed_certificates')).toBe('60');
    await verify(at(url, certs));
    expect(notices.at(-1)).toMatch(/^scale_certs: row security may hide rows/);
  });
});

describe('what the role may not read', () => {
  it('of a table further down is told by verify, and stops clean with a word', async () => {
    await load(fleet());
    await database.query(
      `${JOBS}; create table sub (id text primary key, job text references jobs on delete cascade);
       insert into sub values ('s', 'job-1')`,
    );
    const url = await asRole('revoke all on sub from ROLE');
    const [fixture] = (await verify({ ...at(url, certs), live: true })).fixtures;
    expect(fixture).toMatchObject({
      intact: true,
      hanging: [{ table: 'public.jobs', rows: 9 }],
      unread: ['public.sub'],
    });
    await expect(clean(at(url, certs))).rejects.toMatchObject({ code: 'privilege', table: 'public.sub' });
  });

  it.each([
    ['the right to read is lacking', 'revoke all on jobs from ROLE'],
    ['row security is on', 'alter table jobs enable row level security'],
  ])('stops clean and reset with what to do where %s', async (_, sql) => {
    await load(fleet());
    await database.query(JOBS);
    const url = await asRole(sql);
    const refused = {
      code: 'privilege',
      message: expect.stringContaining('of public.jobs') as string,
      hint: expect.stringMatching(
        /^grant select to the role; where row security is on, use a role that/,
      ) as string,
    };
    await expect(clean(at(url, certs))).rejects.toMatchObject(refused);
    await expect(reset(at(url, certs))).rejects.toMatchObject(refused);
  });

  it.each([true, false])('is told by a reset that leaves it, dry: %s', async (dryRun) => {
    await load(fleet());
    await database.query(JOBS);
    const url = await asRole('revoke all on jobs from ROLE');
    await reset({ ...at(url, certs), keepDependents: true, dryRun });
    expect(notices.at(-1)).toBe(
      'scale_certs: what hangs on it of public.jobs is left: the role may not read all of it',
    );
  });
});

describe('a table that refers to itself', () => {
  afterEach(() => database.query('alter table managed_certificates drop column replaces'));

  it.each(['no action', 'cascade', 'set null'])(
    'has rows that hang on the fleet on delete %s',
    async (action) => {
      await database.query(
        `alter table managed_certificates add replaces text references managed_certificates on delete ${action}`,
      );
      await load(fleet());
      // Those of the fleet itself do not.
      await database.query(
        `update managed_certificates set replaces = (select min(id) from managed_certificates) where id like 'cert-loadtest-%'`,
      );
      await database.query(
        `insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id, replaces)
       select 'own', 'own', 'own', owner_id, team_id, issuer_id, renewal_policy_id, id from managed_certificates limit 1`,
      );
      const rows = [{ table: 'public.managed_certificates', rows: 1 }];
      const dependents = rows.map((one) => ({ ...one, effect: 'deleted' }));
      const hangs = async () => (await verify(fleet())).fixtures.map(({ hanging }) => hanging);
      expect(await hangs()).toEqual([rows, []]);
      expect((await reset({ ...fleet(), keepDependents: true })).fixtures[0]).toMatchObject({ kept: rows });
      for (const dryRun of [true, false])
        expect((await reset({ ...fleet(), dryRun })).fixtures.map((fixture) => fixture.dependents)).toEqual([
          dependents,
          [],
        ]);
      expect(await hangs()).toEqual([[], []]);
      expect((await verify(fleet())).intact).toBe(true);
    },
  );
});

describe('ci', () => {
  it.each([
    ['deleted', 'delete from managed_certificates'],
    ['changed', `update managed_certificates set common_name = 'x'`],
    ['dropped', 'drop table agents cascade'],
  ])('is not green where the fleet is %s while it is measured', async (_, sql) => {
    const fixtures = [certs, agents];
    const url = await database.another('', SCHEMA_SQL);
    const other = new pg.Client({ connectionString: url });
    await other.connect();
    await seedParents(other);
    const judging = ci({
      databaseUrl: url,
      fixtures,
      settle: false,
      budgetRatio: 1000,
      onEvent: async (event) => {
        if (event.type === 'notice' && event.message.includes('measuring')) await other.query(sql);
      },
    });
    const outcome = await judging.then(
      ({ verdict }) => verdict.outcome,
      (error: unknown) => (error as ScaleSeedError).code,
    );
    await other.end();
    expect(outcome).not.toBe('pass');
  });
});

describe('reset', () => {
  it.each(['text', 'markdown'])(
    'exits 4 where a trigger keeps rows as they are, and says so as %s',
    async (format) => {
      await load(fleet());
      await database.query(
        `update agents set status = 'Offline';
       create function keep() returns trigger language plpgsql as 'begin return null; end';
       create trigger keep before update on agents for each row execute function keep()`,
      );
      const args = ['reset', '--yes', '--agents', '40', '--no-progress', '--format', format];
      const env = { DATABASE_URL: database.url };
      const { code, stderr } = await run(args, env);
      const quiet = await run([...args, '--quiet'], env);
      await database.query('drop function keep cascade');
      const said = 'kept or changed what was to be written: status in 40 rows';
      expect(stderr).toContain(`trigger keep of agents ${said}`);
      expect(quiet).toMatchObject({ code, stderr: '', stdout: expect.stringContaining(said) as string });
      expect(code).toBe(4);
    },
  );

  it('says of rows that bear its mark that they stay', async () => {
    const frozen: Fixture = { ...agents, growable: false };
    await load(at(database.url, frozen));
    await database.query(
      `insert into agents (id, name, hostname, api_key_hash) values ('ag-scale-00000099', 'n', 'h', 'x')`,
    );
    await reset(at(database.url, frozen));
    expect(notices.at(-1)).toMatch(
      /^scale_agents: 1 row with its mark that the fixture does not have: left alone/,
    );
    expect((await verify(at(database.url, frozen))).fixtures[0]?.unexpected.rows).toBe(1);
  });

  it('says what to do about rows that refer to what is to go, once it has begun', async () => {
    await load(fleet());
    await database.query(
      `${JOBS}; create table sub (id text primary key, job text references jobs deferrable initially immediate)`,
    );
    const confirm = async (): Promise<boolean> => {
      await database.query(
        `create function add() returns trigger language plpgsql as $$ begin insert into sub values ('s', 'job-1'); return null; end $$;
         create trigger add before delete on certificate_versions for each statement execute function add()`,
      );
      return true;
    };
    await database.query(`insert into certificate_versions values ('v', 'cert-loadtest-scale-00000001')`);
    const failing = reset({ ...fleet(), confirm });
    await expect(failing).rejects.toMatchObject({
      code: 'conflict',
      hint: 'see to that first, or leave what hangs on the fleet with --keep-dependents',
    });
    await database.query('drop function add cascade');
  });
});

describe('a dry run', () => {
  const things = (team: string): Fixture =>
    defineFixture({
      name: 'things',
      table: 'things',
      count: 12,
      columns: { id: 'text', site: 'text' },
      constants: { team: { type: 'text', value: team } },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: 'th-' },
      *rows(first, last) {
        for (let g = first; g <= last; g++) yield [`th-${g}`, `site-${g % 3}`];
      },
    });

  it.each([
    ['a constant parent', 't-none', `insert into sites values ('site-0'), ('site-1'), ('site-2')`],
    ['a parent of some rows', 't-security', `insert into sites values ('site-0'), ('site-2')`],
    ['no parent', 't-security', `insert into sites values ('site-0'), ('site-1'), ('site-2')`],
  ])('foresees whether %s is missing', async (missing, team, sites) => {
    await database.query(
      `create table sites (id text primary key); ${sites};
       create table things (id text primary key, site text references sites, team text references teams)`,
    );
    const dry = load({ ...at(database.url, things(team)), dryRun: true });
    if (missing === 'no parent') expect((await dry).fixtures[0]).toMatchObject({ inserted: 12 });
    else await expect(dry).rejects.toMatchObject({ code: 'parents' });
    const done = await load(at(database.url, things(team))).catch((error: unknown) => error);
    expect(done instanceof Error).toBe(missing !== 'no parent');
  });
});

describe('--create-parents', () => {
  it('says whose place is taken', async () => {
    await database.query(`delete from owners; update teams set id = 't-other' where id = 't-payments'`);
    await expect(load({ ...fleet(), createParents: true })).rejects.toMatchObject({
      code: 'conflict',
      state: 'nothing was changed',
      hint: expect.stringMatching(/unique key/) as string,
    });
    await database.query(`update teams set id = 't-payments' where id = 't-other'`);
    await load({ ...fleet(), createParents: true });
  });
});

describe('a listener', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('heard enough');
      },
    ],
    ['rejects', () => Promise.reject(new Error('heard enough'))],
  ])('that %s ends the run with its own error', async (_, onEvent) => {
    await expect(load({ ...fleet(), onEvent })).rejects.toThrow('heard enough');
  });
});

describe('a confirmation', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('no line');
      },
    ],
    ['is none', () => undefined],
    ['is a promise', () => Promise.resolve('a line')],
  ])('that %s is the fixture’s mistake, told with what stands', async (_, confirmation) => {
    const odd = { ...agents, confirmation } as unknown as Fixture;
    await expect(load(at(database.url, odd))).rejects.toMatchObject({
      code: 'fixture',
      state: 'scale_agents: done and committed',
    });
  });
});
