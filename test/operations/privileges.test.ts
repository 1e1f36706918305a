import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clean } from '../../src/operations/clean.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
let version: number;
let role: string;

/** What a role is granted for each thing that it may do; ROLE stands for it, DATABASE for the database. */
const GRANTS = {
  load: [
    'grant temporary on database DATABASE to ROLE',
    'grant select, insert on managed_certificates, agents to ROLE',
    'grant select on teams, owners, issuers, renewal_policies to ROLE',
  ],
  foreignKeysBySet: [
    'grant set on parameter session_replication_role to ROLE',
    'grant update (id) on teams, owners, issuers, renewal_policies to ROLE',
  ],
  exclusiveOfOwner: ['grant OWNER to ROLE'],
  exclusive: ['grant maintain on managed_certificates, agents to ROLE'],
  settle: ['grant maintain on managed_certificates, agents to ROLE'],
  createParents: ['grant insert on teams, owners, issuers, renewal_policies to ROLE'],
  reset: ['grant update on managed_certificates, agents to ROLE'],
  verify: [
    'grant temporary on database DATABASE to ROLE',
    'grant select on managed_certificates, agents, teams, owners, issuers, renewal_policies to ROLE',
  ],
  clean: [
    'grant temporary on database DATABASE to ROLE',
    'grant select, delete on managed_certificates, agents to ROLE',
    `grant select on jobs, certificate_versions, certificate_target_mappings, policy_violations,
       issuance_approval_requests, notification_events, certificate_revocations, discovered_certificates,
       endpoint_health_checks, acme_orders to ROLE`,
  ],
} satisfies Record<string, string[]>;

function owned(): LoadOptions {
  return { databaseUrl: database.url, settle: false };
}

function asRole(more: LoadOptions = {}): LoadOptions {
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'pw'];
  return { databaseUrl: url.href, settle: false, ...more };
}

async function grant(...lists: readonly string[][]): Promise<void> {
  const name = String(await database.value('select current_database()'));
  const owner = String(await database.value('select current_user'));
  for (const statement of lists.flat()) {
    await database.query(
      statement.replaceAll('ROLE', role).replaceAll('DATABASE', name).replaceAll('OWNER', owner),
    );
  }
}

beforeAll(async () => {
  version = Number(await database.value('show server_version_num'));
  // What everybody may do goes first.
  await database.query(
    `do $$ begin execute format('revoke all on database %I from public', current_database()); end $$;
     revoke all on schema public from public`,
  );
});

beforeEach(async () => {
  await database.query('truncate managed_certificates, agents cascade');
  role = await database.role();
  const name = String(await database.value('select current_database()'));
  await database.query(
    `grant connect on database ${name} to ${role}; grant usage on schema public to ${role}`,
  );
});

describe('a role with nothing but', () => {
  it('insert, select and temporary loads, row by row, and says why', async () => {
    await grant(GRANTS.load);
    const report = await load(asRole());
    expect(report.foreignKeys).toEqual({
      check: 'row',
      reason: expect.stringMatching(
        /^the role may not set session_replication_role .*: grant set on parameter /,
      ) as string,
    });
    expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([10_000, 5_000]);
    expect((await load(asRole())).fixtures.map(({ inserted }) => inserted)).toEqual([0, 0]);
  });

  it('that, the parameter and a column of each parent checks foreign keys by set', async ({ skip }) => {
    skip(version < 150_000, 'PostgreSQL 14 grants no parameters');
    await grant(GRANTS.load, GRANTS.foreignKeysBySet);
    const report = await load(asRole());
    expect(report.foreignKeys.check).toBe('set');
    expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([10_000, 5_000]);
    // A parameter's privileges are the server's, and outlive the database.
    await database.query(`revoke set on parameter session_replication_role from ${role}`);
  });

  it('that is refused exclusive mode, and says so', async () => {
    await grant(GRANTS.load);
    for (const dryRun of [true, false])
      await expect(load(asRole({ mode: 'exclusive', dryRun }))).rejects.toMatchObject({
        code: 'privilege',
        message: expect.stringMatching(
          /^the role may not lock (agents|managed_certificates), as exclusive mode has to$/,
        ) as string,
        hint: expect.stringContaining('--mode online') as string,
      });
  });

  it('that and maintain loads in exclusive mode, and keeps the indexes', async ({ skip }) => {
    skip(version < 170_000, 'MAINTAIN came with PostgreSQL 17');
    await grant(GRANTS.load, GRANTS.exclusive);
    await load(asRole({ mode: 'exclusive', dryRun: true }));
    const report = await load(asRole({ mode: 'exclusive' }));
    expect(report.fixtures.map(({ inserted, rebuiltIndexes }) => [inserted, rebuiltIndexes.length])).toEqual([
      [10_000, 0],
      [5_000, 0],
    ]);
  });

  it('that and the owner’s membership loads in exclusive mode, and rebuilds them', async () => {
    await grant(GRANTS.load, GRANTS.exclusiveOfOwner);
    const report = await load(asRole({ mode: 'exclusive' }));
    expect(report.fixtures.map(({ rebuiltIndexes }) => rebuiltIndexes.length)).toEqual([7, 5]);
  });

  it('that leaves the tables unvacuumed and says so, and vacuums them with maintain', async () => {
    await grant(GRANTS.load);
    const notices: string[] = [];
    const onEvent: LoadOptions['onEvent'] = (event) => {
      if (event.type === 'notice') notices.push(event.message);
    };
    await load(asRole({ settle: true, onEvent }));
    expect(notices).toContainEqual(
      version < 170_000
        ? 'public.agents is not vacuumed, as the role may not: before PostgreSQL 17 only its owner may, scale_seed'
        : `public.agents is not vacuumed, as the role may not: grant maintain on public.agents to ${role}`,
    );
    if (version < 170_000) return;
    await grant(GRANTS.settle);
    await database.query('truncate managed_certificates, agents cascade');
    notices.length = 0;
    await load(asRole({ settle: true, onEvent }));
    expect(notices).toEqual([]);
  });

  it('that and insert on the parents makes them', async () => {
    await database.query('truncate teams cascade');
    await grant(GRANTS.load, GRANTS.createParents);
    const report = await load(asRole({ createParents: true }));
    expect(report.fixtures[0]?.inserted).toBe(10_000);
  });
});

describe('rows that stand', () => {
  beforeEach(async () => {
    await load({ ...owned(), createParents: true });
  });

  it('are verified by a role that may only read', async () => {
    await grant(GRANTS.verify);
    expect((await verify(asRole())).intact).toBe(true);
  });

  it('are reset by a role that may update', async () => {
    await grant(GRANTS.load);
    await expect(reset(asRole())).rejects.toMatchObject({
      code: 'privilege',
      message: 'fixture 01_bulk_renewal_certs: the role lacks update on managed_certificates',
      state: 'nothing was changed',
    });
    await grant(GRANTS.reset);
    expect((await reset(asRole())).fixtures.map(({ restored }) => restored)).toEqual([10_000, 5_000]);
  });

  it('are cleaned by a role that may delete and see what refers to them', async () => {
    await grant(GRANTS.clean);
    expect((await clean(asRole())).fixtures.map(({ deleted }) => deleted)).toEqual([10_000, 5_000]);
  });
});
