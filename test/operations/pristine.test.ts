import { beforeAll, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { load } from '../../src/operations/load.js';
import { reset, type ResetOptions } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { run, start } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { gate } from '../support/gate.js';
import { leaveBehind as leaving, LEFTOVERS, live, OTHERS, SIZED, snapshot } from '../support/leftovers.js';

const database = useDatabase();
const certs: Fixture = { ...sizedCertificates(500), name: '01_certs' };
const agents: Fixture = { ...sizedAgents(300), name: '02_agents' };
const fleet = () => ({ databaseUrl: database.url, fixtures: [certs, agents], settle: false });
const sizes = ['--certs', '500', '--agents', '300', '--no-progress'];
let fresh: Record<string, string[]>;

const DELETED = {
  '01_certs': {
    acme_orders: LEFTOVERS,
    certificate_revocations: LEFTOVERS,
    certificate_target_mappings: LEFTOVERS,
    certificate_versions: LEFTOVERS,
    discovered_certificates: LEFTOVERS,
    endpoint_health_checks: LEFTOVERS,
    issuance_approval_requests: LEFTOVERS,
    jobs: LEFTOVERS,
    notification_events: LEFTOVERS,
    policy_violations: LEFTOVERS,
  },
  '02_agents': {
    agent_group_members: LEFTOVERS,
    deployment_targets: LEFTOVERS,
    discovery_scans: LEFTOVERS,
    jobs: LEFTOVERS,
  },
};

/** What a report tells of other tables' rows, by table. */
function byTable(rows: readonly { table: string; rows: number; effect?: string }[]): Record<string, number> {
  const deleted = rows.filter(({ effect = 'deleted' }) => effect === 'deleted');
  return Object.fromEntries(deleted.map(({ table, rows: count }) => [table.replace('public.', ''), count]));
}

async function resetAndCompare(options: ResetOptions = {}): Promise<void> {
  const { anchor } = await reset({ ...fleet(), ...options });
  expect(await snapshot(database, anchor)).toEqual(fresh);
  expect((await verify(fleet())).intact).toBe(true);
}

beforeAll(async () => {
  await database.query(OTHERS);
  const { anchor } = await load(fleet());
  fresh = await snapshot(database, anchor);
});

describe('after a run', () => {
  beforeAll(async () => {
    await database.query(live(SIZED));
    await database.query(leaving(SIZED));
  });

  it('what hangs on the fleet is drift, table by table', async () => {
    const { intact, fixtures } = await verify(fleet());
    expect(intact).toBe(false);
    const [first, second] = fixtures;
    expect(byTable(first!.hanging)).toEqual(DELETED['01_certs']);
    expect(byTable(second!.hanging)).toEqual({
      ...DELETED['02_agents'],
      // What refers to the targets and scans, and hangs on the certificates too.
      certificate_target_mappings: LEFTOVERS,
      discovered_certificates: LEFTOVERS,
      jobs: 2 * LEFTOVERS,
      issuance_approval_requests: LEFTOVERS,
    });
    for (const { records } of fixtures)
      expect(records).toEqual([{ table: 'public.audit_events', rows: LEFTOVERS }]);
    expect(first!.drift.map(({ column }) => column)).toEqual([
      'expires_at',
      'status',
      'updated_at',
      'last_renewal_at',
      'last_deployment_at',
    ]);
  });

  it('all of that is told apart on a stack that runs', async () => {
    const { intact, live, fixtures } = await verify({ ...fleet(), live: true });
    expect({ intact, live }).toEqual({ intact: true, live: true });
    expect(fixtures.map(({ drift, driftedRows }) => ({ drift, driftedRows }))).toEqual(
      fixtures.map(() => ({ drift: [], driftedRows: 0 })),
    );
    expect(fixtures.map(({ liveRows }) => liveRows)).toEqual([500, 300]);
    expect(fixtures[1]!.live.map(({ column }) => column).sort()).toEqual(
      ['status', 'last_heartbeat_at', 'hostname', 'os', 'architecture', 'ip_address', 'version'].sort(),
    );
    expect(fixtures[0]!.hanging).not.toEqual([]);
  });

  it('but a tag that was changed is drift in both', async () => {
    await database.query(
      `update managed_certificates set tags = '{}' where id = 'cert-loadtest-scale-00000007'`,
    );
    for (const live of [true, false]) {
      const [first] = (await verify({ ...fleet(), live })).fixtures;
      expect(first).toMatchObject({ intact: false });
      expect(first!.drift.find(({ column }) => column === 'tags')).toMatchObject({ rows: 1 });
    }
  });

  it('reset says what it deletes, and the database is what a fresh load makes of it', async () => {
    const notices: string[] = [];
    const { anchor, fixtures, foreignKeys } = await reset({
      ...fleet(),
      onEvent: (event) => {
        if (event.type === 'notice') notices.push(event.message);
      },
    });
    expect(foreignKeys.check).toBe('set');
    expect(fixtures.map(({ name, dependents }) => [name, byTable(dependents)])).toEqual(
      Object.entries(DELETED),
    );
    expect(fixtures.map(({ restored, inserted }) => [restored, inserted])).toEqual([
      [500, 0],
      [300, 0],
    ]);
    expect(notices[0]).toMatch(/^01_certs: what hangs on it is deleted: 30 rows of public\.acme_orders; /);
    expect(await snapshot(database, anchor)).toEqual(fresh);
    expect((await verify(fleet())).intact).toBe(true);
    expect(await database.value('select count(*) from audit_events')).toBe(String(2 * LEFTOVERS));
  });

  it('and so it does the second time', async () => {
    await database.query(live(SIZED));
    await database.query('alter table audit_events disable trigger no_delete; delete from audit_events');
    await database.query(`alter table audit_events enable trigger no_delete; ${leaving(SIZED)}`);
    await database.query(`delete from agents where id = 'ag-scale-00000299'`);
    await resetAndCompare();
  });
});

/** The fleet as a run leaves it. */
async function leaveBehind(): Promise<void> {
  // Each test puts it back; one that failed may not have.
  const isFresh = (await database.value('select count(*) from jobs')) === '1';
  if (!isFresh) await reset(fleet());
  await database.query(`alter table audit_events disable trigger no_delete; delete from audit_events;
    alter table audit_events enable trigger no_delete; ${live(SIZED)}; ${leaving(SIZED)}`);
}

/** All rows as they are, whatever their times. */
const asIs = (): Promise<Record<string, string[]>> => snapshot(database, '2026-01-01T00:00:00Z');

describe('a reset that does not come to its end', () => {
  it.each([
    ['what hangs on it is deleted', 'select from jobs for update', `query like '%with gone0%'`],
    [
      'rows are loaded anew',
      `select from owners where id = 'o-carol' for update`,
      `query like '%for key share%'`,
    ],
  ])('killed while %s leaves all as it was', async (_, hold, waiting) => {
    await leaveBehind();
    const before = await asIs();
    const blocker = await database.client();
    await blocker.query(`begin; ${hold}`);
    const running = start(['reset', '--yes', '--certs', '500', '--no-progress'], {
      DATABASE_URL: database.url,
    });
    try {
      await database.untilSession(`wait_event_type = 'Lock' and ${waiting}`);
    } finally {
      running.kill('SIGKILL');
      await running.outcome;
      await blocker.query('rollback');
    }
    await database.untilNoSession();
    expect(await asIs()).toEqual(before);
    await resetAndCompare();
  });

  it('cancelled leaves all as it was', async () => {
    await leaveBehind();
    const before = await asIs();
    const aborted = new AbortController();
    const resetting = reset({
      ...fleet(),
      signal: aborted.signal,
      onEvent: (event) => {
        if (event.type === 'progress' && event.phase === 'reset') aborted.abort();
      },
    });
    await expect(resetting).rejects.toMatchObject({ code: 'interrupted' });
    expect(await asIs()).toEqual(before);
    await resetAndCompare();
  });
});

describe('what may not be deleted ends the reset before anything is changed', () => {
  const keep = '--keep-dependents';

  it.each<[string, string, string, object]>([
    [
      'a row that forbids it',
      `create table invoices (job_id text references jobs on delete restrict); insert into invoices values ('agent-job-00002')`,
      'drop table invoices',
      { code: 'conflict', message: expect.stringContaining('1 in public.invoices') as string },
    ],
    [
      'a trigger that refuses',
      `create trigger no_delete before delete on agent_group_members for each row execute function refuse_to_forget()`,
      'drop trigger no_delete on agent_group_members',
      {
        message: expect.stringMatching(
          /cannot delete from .*agent_group_members.*: audit_events only grow/,
        ) as string,
      },
    ],
    [
      'a trigger that keeps rows without a word',
      `create function keep() returns trigger language plpgsql as 'begin return null; end';
       create trigger keeper before delete on acme_orders for each row execute function keep()`,
      'drop function keep cascade',
      {
        code: 'conflict',
        message: expect.stringContaining('trigger keeper kept rows of public.acme_orders') as string,
        hint: expect.stringContaining(keep) as string,
      },
    ],
  ])('%s', async (_, before, after, error) => {
    await leaveBehind();
    await database.query(before);
    const rows = await asIs();
    const fixtures = [before.includes('acme') ? certs : agents];
    await expect(reset({ ...fleet(), fixtures })).rejects.toMatchObject(error);
    expect(await asIs()).toEqual(rows);
    if (before.includes('invoices')) {
      // Of two fixtures the first is not begun where the second cannot be done.
      await expect(reset(fleet())).rejects.toMatchObject({
        ...error,
        state: 'nothing was changed',
      });
      expect(await asIs()).toEqual(rows);
    }
    expect((await reset({ ...fleet(), keepDependents: true })).fixtures[1]!.kept).not.toEqual([]);
    await database.query(after);
    await resetAndCompare();
  });
});

it('--keep-dependents restores the rows, leaves what hangs on them, and says so', async () => {
  await leaveBehind();
  const before = await asIs();
  const { anchor, fixtures } = await reset({ ...fleet(), keepDependents: true });
  expect(fixtures.map(({ dependents }) => dependents)).toEqual([[], []]);
  expect(byTable(fixtures[0]!.kept)).toEqual(DELETED['01_certs']);
  const { managed_certificates, agents: rows, ...others } = await snapshot(database, anchor);
  expect({ managed_certificates, agents: rows }).toEqual({
    managed_certificates: fresh.managed_certificates,
    agents: fresh.agents,
  });
  expect(others).toEqual({ ...before, managed_certificates: undefined, agents: undefined });
  await resetAndCompare();
});

describe('a question', () => {
  it('is asked anew where more hangs on the fleet by the time of the answer', async () => {
    await leaveBehind();
    const asked: number[] = [];
    await resetAndCompare({
      confirm: async ({ fixture, dependents }) => {
        if (fixture !== '01_certs') return true;
        asked.push(byTable(dependents).acme_orders ?? 0);
        if (asked.length === 1)
          await database.query(`insert into acme_orders values ('late', 'cert-loadtest-scale-00000499')`);
        return true;
      },
    });
    expect(asked).toEqual([LEFTOVERS, LEFTOVERS + 1]);
  });

  it('that is answered with no leaves all as it is', async () => {
    await leaveBehind();
    const before = await asIs();
    await expect(reset({ ...fleet(), confirm: () => Promise.resolve(false) })).rejects.toMatchObject({
      code: 'conflict',
      state: expect.stringContaining('nothing was changed') as string,
      hint: '--keep-dependents resets the rows alone',
    });
    expect(await asIs()).toEqual(before);
    await resetAndCompare();
  });

  it('is not asked where nothing hangs on the fleet', async () => {
    await resetAndCompare({ confirm: () => Promise.reject(new Error('asked')) });
  });

  it.each([
    ['is refused', false, 2, 'scale_agents, scale_certs: nothing was changed'],
    ['fails where a fixture is done', true, 1, 'scale_agents: done and committed'],
  ])('without a terminal to ask on %s', async (_, agentsFirst, expected, state) => {
    await leaveBehind();
    if (agentsFirst) await reset({ ...fleet(), fixtures: [agents] });
    const { code, stderr } = await run(['reset', ...sizes], { DATABASE_URL: database.url });
    expect(stderr).toMatch(/there is no terminal to ask on/);
    expect(stderr).toContain(state);
    expect(code).toBe(expected);
    await resetAndCompare();
  });
});

describe('as a role without the replication right', () => {
  let url: string;

  beforeAll(async () => {
    const role = await database.role();
    await database.query(
      `grant all on all tables in schema public to ${role}; grant usage on schema public to ${role}`,
    );
    const login = new URL(database.url);
    [login.username, login.password] = [role, 'pw'];
    url = login.href;
  });

  it('reset does the same row by row, and says why', async () => {
    await leaveBehind();
    const { anchor, foreignKeys, fixtures } = await reset({ ...fleet(), databaseUrl: url });
    expect(foreignKeys).toEqual({
      check: 'row',
      reason: expect.stringMatching(
        /^the role may not set session_replication_role .*: grant set on parameter /,
      ) as string,
    });
    expect(fixtures.map(({ name, dependents }) => [name, byTable(dependents)])).toEqual(
      Object.entries(DELETED),
    );
    expect(await snapshot(database, anchor)).toEqual(fresh);
  });

  it('and ends where it may not delete, or not see what hangs on the fleet', async () => {
    await leaveBehind();
    const before = await asIs();
    const role = new URL(url).username;
    await database.query(`revoke delete on deployment_targets from ${role}`);
    const refused = { code: 'privilege', state: 'nothing was changed' };
    await expect(reset({ ...fleet(), databaseUrl: url })).rejects.toMatchObject({
      ...refused,
      message: 'the role may not delete from public.deployment_targets, whose rows hang on the fleet',
    });
    await database.query(`revoke select on discovery_scans from ${role}`);
    await expect(reset({ ...fleet(), databaseUrl: url })).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(
        /^it is not known what of public\.discovery_scans hangs on the rows/,
      ) as string,
    });
    expect((await verify({ ...fleet(), databaseUrl: url })).fixtures[1]!.unread).toEqual([
      'public.discovery_scans',
    ]);
    expect(await asIs()).toEqual(before);
    await resetAndCompare();
  });
});

it('rows that other fixtures of the run have made do not hang on the fleet', async () => {
  const versions = ['05_versions', '06_drafts'].map((name) =>
    defineFixture({
      name,
      table: 'certificate_versions',
      count: 5,
      columns: { id: 'text', certificate_id: 'text' },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: `${name}-` },
      *rows(first, last) {
        for (let g = first; g <= last; g++) yield [`${name}-${g}`, `cert-loadtest-scale-0000000${g}`];
      },
    }),
  );
  const fixtures = [certs, agents, ...versions];
  await load({ ...fleet(), fixtures });
  expect((await verify({ ...fleet(), fixtures })).intact).toBe(true);
  expect((await verify({ ...fleet(), known: versions })).intact).toBe(true);
  expect((await verify(fleet())).intact).toBe(false);
  expect((await reset({ ...fleet(), fixtures })).fixtures[0]!.dependents).toEqual([]);
  expect(await database.value('select count(*) from certificate_versions')).toBe('10');
  await resetAndCompare();
});

describe('while rows are loaded anew', () => {
  /** Holds a reset up after it has deleted the rows, by a generator that takes its time. */
  async function heldUp(): Promise<{ release: () => Promise<void> }> {
    const { opened, open } = gate();
    const slow: Fixture = {
      ...certs,
      async *rows(first, last) {
        if (last - first > 0) await opened;
        yield* certs.rows(first, last);
      },
    };
    const resetting = reset({ ...fleet(), fixtures: [slow] });
    await database.untilSession(`query like '%copy "pg_temp"%' and state = 'active'`);
    return {
      release: async () => {
        open();
        await resetting;
      },
    };
  }

  it('readers see them all, and who would refer to one waits and does not fail', async () => {
    const { release } = await heldUp();
    expect(
      await database.value(`select count(*) from managed_certificates where id like 'cert-loadtest-scale-%'`),
    ).toBe('500');
    const other = await database.client();
    const inserting = other.query(`insert into jobs values ('job-late', 'cert-loadtest-scale-00000001')`);
    await database.until(
      `select count(*) = 1 from pg_stat_activity where query like 'insert into jobs%' and wait_event_type = 'Lock'`,
    );
    await release();
    await inserting;
    expect((await verify(fleet())).fixtures[0]!.hanging).toEqual([{ table: 'public.jobs', rows: 1 }]);
    await resetAndCompare();
  });

  it.each([false, true])('writers do not wait for the count of what is recorded, kept: %s', async (kept) => {
    const holder = await database.client();
    await holder.query('begin; lock audit_events');
    const resetting = reset({ ...fleet(), keepDependents: kept });
    await database.untilSession(`query like '%audit_events%' and wait_event_type = 'Lock'`);
    await database.query(
      `set lock_timeout = '10s'; update managed_certificates set status = 'Expired' where id like 'cert-loadtest-%';
       reset lock_timeout`,
    );
    await holder.query('commit');
    await resetting;
    await resetAndCompare();
  });

  it('in exclusive mode plain indexes are built anew, and are as they were', async () => {
    const indexes = `select string_agg(indexdef, '; ' order by indexdef) from pg_indexes where tablename in ('managed_certificates', 'agents')`;
    const before = await database.value(indexes);
    await leaveBehind();
    const { anchor, fixtures } = await reset({ ...fleet(), mode: 'exclusive' });
    expect(fixtures[0]!.rebuiltIndexes.length).toBeGreaterThan(0);
    expect(await database.value(indexes)).toBe(before);
    expect(await snapshot(database, anchor)).toEqual(fresh);
  });

  it('in exclusive mode a table that somebody reads is waited for no longer than allowed', async () => {
    const reader = await database.client();
    await reader.query('begin; select from managed_certificates limit 1');
    await expect(reset({ ...fleet(), mode: 'exclusive', lockTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringMatching(/could not be locked within 100 ms: held by pid \d+/) as string,
      state: expect.stringContaining('nothing was changed') as string,
    });
    await reader.query('rollback');
    await resetAndCompare();
  });
});
