import { ADVISORY_NAMESPACE } from '../../src/run/lock-fixture.js';
import { HALF, OWNER, ROLES } from './place.js';
import { EXTRA, RENAMED } from './history.js';

/** What another session does while a statement of a command is held. */
export interface Action {
  name: string;
  sql: string;
  /** What it does in the same transaction, once the command has gone on. */
  later?: string;
  /** It runs in no transaction. */
  alone?: true;
  /** Its transaction may stay open until the command ends. */
  holds?: true;
  /** It changes the structure of the tables. */
  ddl?: true;
  /** What takes back what it does beyond its database. */
  undo?: string;
  /** Only these commands are met with it. */
  commands?: readonly string[];
}

const MEMBERS = `${ROLES.set}, ${ROLES.row}`;

const cert = (number: number): string => `'cert-loadtest-scale-${String(number).padStart(8, '0')}'`;
const nameOf = (number: number): string => `'loadtest-scale-${String(number).padStart(8, '0')}.example.test'`;
const FLEET = `id like 'cert-loadtest-scale-%'`;
/** The rows that other standings than `full` lack. */
const MISSING = [777, 2000] as const;
const UNBOUND = 70;

const insertCert = (id: string, name: string): string =>
  `insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id)
   values (${id}, ${name}, 'by hand', 'o-alice', 't-platform', 'iss-local', 'rp-standard') on conflict do nothing`;

const keeping = (moment: string, condition: string): string =>
  `create function keep() returns trigger language plpgsql as $$ begin
     if ${condition} then return null; end if; return ${moment === 'delete' ? 'old' : 'new'}; end $$;
   create trigger keep before ${moment} on managed_certificates for each row execute function keep()`;

/** Row security for the owner too: all that is not forbidden by `using` may be done. */
const securing = (table: string, policy: string): string =>
  `alter table ${table} enable row level security; alter table ${table} force row level security;
   create policy others on ${table} using (true) with check (true); create policy own on ${table} as restrictive ${policy}`;

const ROWS: Action[] = [
  {
    name: 'delete-standing-half',
    sql: `delete from managed_certificates where ${FLEET} and right(id, 8)::int <= ${HALF.certs};
          delete from agents where id like 'ag-scale-%' and right(id, 8)::int <= ${HALF.agents}`,
  },
  {
    name: 'delete-fleet',
    sql: `delete from managed_certificates where ${FLEET}; delete from agents where id like 'ag-scale-%'`,
  },
  { name: 'delete-row', sql: `delete from managed_certificates where id = ${cert(7)}`, holds: true },
  { name: 'delete-agent', sql: `delete from agents where id = 'ag-scale-00000007'` },
  {
    name: 'insert-missing-rows',
    sql: MISSING.map((number) => insertCert(cert(number), nameOf(number))).join('; '),
    holds: true,
  },
  {
    name: 'insert-rows-of-the-same-name',
    sql: MISSING.map((number) => insertCert(`'mc-holder-${number}'`, nameOf(number))).join('; '),
  },
  {
    name: 'update-live-columns',
    sql: `update managed_certificates set status = 'RenewalInProgress', updated_at = now() where id in (${cert(7)}, ${cert(1500)});
          update agents set status = 'Offline' where id = 'ag-scale-00000007'`,
  },
  {
    name: 'change-key',
    sql: `update managed_certificates set id = 'mc-renamed' where id = ${cert(UNBOUND)}`,
  },
  {
    name: 'change-name',
    sql: `update managed_certificates set name = 'loadtest-scale-renamed' where id = ${cert(UNBOUND)}`,
  },
];

const PARENTS: Action[] = [
  { name: 'delete-owner', sql: `delete from owners where id = 'o-carol'` },
  { name: 'delete-team', sql: `delete from teams where id = 't-payments'` },
  {
    name: 'insert-parents',
    sql: `insert into teams (id, name) values ('t-payments', 'Payments') on conflict do nothing;
          insert into owners (id, name, email, team_id) values ('o-carol', 'Carol', 'c@x', 't-payments') on conflict do nothing`,
    holds: true,
  },
  { name: 'update-parent', sql: `update teams set description = 'other' where id = 't-payments'` },
  {
    name: 'hold-parent',
    sql: `select from issuers where id = 'iss-local' for update`,
    later: `select count(*) from managed_certificates`,
    holds: true,
  },
];

const DEPENDENTS: Action[] = [
  {
    name: 'insert-job',
    sql: `insert into jobs values ('job-new', ${cert(UNBOUND)}, null, null)`,
    holds: true,
  },
  { name: 'delete-job', sql: `delete from jobs where id = 'job-05'` },
  { name: 'move-job', sql: `update jobs set certificate_id = 'mc-real' where id = 'job-06'` },
  {
    name: 'insert-approval-request',
    sql: `insert into issuance_approval_requests values ('approval-new', 'mc-real', 'job-07')`,
  },
  {
    name: 'insert-missing-rows-and-a-job',
    sql: `${MISSING.map((number) => insertCert(cert(number), nameOf(number))).join('; ')};
          insert into jobs values ('job-new', ${cert(MISSING[0])}, null, null)`,
  },
];

const DDL = (
  [
    { name: 'add-trigger-that-keeps-a-row', sql: keeping('delete', `old.id = ${cert(7)}`) },
    {
      name: 'add-trigger-that-skips-a-row',
      sql: keeping('insert', `new.id in (${MISSING.map(cert).join(', ')})`),
    },
    {
      name: 'enable-row-security',
      sql: securing('managed_certificates', `for delete using (id <> ${cert(7)})`),
    },
    {
      name: 'enable-row-security-of-a-parent',
      sql: securing('teams', `for select using (id <> 't-payments')`),
    },
    {
      name: 'enable-row-security-of-dependents',
      sql: securing('jobs', `for all using (id <> 'job-07')`),
      commands: ['clean'],
    },
    {
      name: 'add-foreign-key',
      sql: `create table ${EXTRA.child} (id text primary key, ${EXTRA.column} text references managed_certificates on delete cascade);
          alter table ${EXTRA.child} owner to ${OWNER};
          insert into ${EXTRA.child} select 'link', id from managed_certificates where id = ${cert(UNBOUND)}`,
    },
    { name: 'drop-index', sql: 'drop index idx_managed_certificates_status' },
    {
      name: 'create-index-concurrently',
      sql: 'create index concurrently by_hand on managed_certificates (environment)',
      alone: true,
    },
    { name: 'rename-table', sql: `alter table managed_certificates rename to ${RENAMED}`, holds: true },
    { name: 'add-column', sql: `alter table managed_certificates add column note text default 'x'` },
    {
      name: 'add-rule',
      sql: `create rule keep as on delete to managed_certificates where old.id = ${cert(7)} do instead nothing`,
    },
  ] satisfies Action[]
).map((action): Action => ({ ...action, ddl: true }));

const RIGHTS: Action[] = [
  ...['insert', 'delete', 'select', 'update'].map((right) => ({
    name: `revoke-${right}`,
    sql: `revoke ${right} on managed_certificates from ${OWNER}, ${ROLES.bare}`,
  })),
  {
    name: 'revoke-temporary-tables',
    sql: `do $$ begin execute format('revoke temporary on database %I from public, ${OWNER}', current_database()); end $$`,
  },
  {
    name: 'revoke-membership',
    sql: `revoke ${OWNER} from ${MEMBERS}`,
    undo: `grant ${OWNER} to ${MEMBERS}`,
  },
];

const LOCKS: Action[] = [
  ...['access share', 'share update exclusive', 'share', 'access exclusive'].map((mode) => ({
    name: `lock-table-in-${mode.replaceAll(' ', '-')}-mode`,
    sql: `lock table managed_certificates in ${mode} mode`,
    holds: true as const,
  })),
  { name: 'lock-row', sql: `select from managed_certificates where id = ${cert(7)} for update`, holds: true },
];

const OTHERS: Action[] = [
  { name: 'truncate', sql: 'truncate managed_certificates cascade' },
  { name: 'vacuum-full', sql: 'vacuum full managed_certificates', alone: true },
  { name: 'analyze', sql: 'analyze managed_certificates' },
  {
    name: 'read-scratch-table',
    sql: `do $$ declare t record; begin
            for t in select oid::regclass as name from pg_class where relnamespace::regnamespace::text like 'scale_seed_ci_%' and relkind = 'r'
            loop execute format('lock table %s in access share mode', t.name); end loop; end $$`,
    holds: true,
    commands: ['ci'],
  },
  {
    name: 'sweep-scratch-schemas',
    sql: `do $$ declare schema text; begin
            for schema in select nspname from pg_namespace where nspname like 'scale_seed_ci_%' loop
              if pg_try_advisory_xact_lock(${ADVISORY_NAMESPACE}, hashtext(schema))
              then raise 'a scratch schema that is in use would be called left over'; end if;
            end loop; end $$`,
    commands: ['ci'],
  },
];

export const ACTIONS: readonly Action[] = [
  ...ROWS,
  ...PARENTS,
  ...DEPENDENTS,
  ...DDL,
  ...RIGHTS,
  ...LOCKS,
  ...OTHERS,
];
