import type { TestDatabase } from './database.js';

/** How the ids of a fleet begin. */
export interface Prefixes {
  certs: string;
  agents: string;
}

export const SIZED: Prefixes = { certs: 'cert-loadtest-scale-', agents: 'ag-scale-' };

/** How many rows each table gets that refers to certificates, and each that refers to agents. */
export const LEFTOVERS = 30;

/**
 * What a run leaves hanging on a fleet: in every table that refers to it some rows, and rows that refer to those;
 * on record what happened; and a job of somebody else's certificate that was given a target of the fleet's.
 */
export const leaveBehind = ({ certs, agents }: Prefixes): string => `
  insert into deployment_targets select 'target-' || right(id, 5), id from agents where id like '${agents}%' order by id limit ${LEFTOVERS};
  insert into jobs select 'job-' || right(c.id, 5), c.id, a.agent_id, a.id
    from (select id, row_number() over (order by id) as n from managed_certificates where id like '${certs}%') as c
    join (select *, row_number() over (order by id) as n from deployment_targets where agent_id <> 'ag-real') as a using (n);
  insert into jobs select 'agent-job-' || right(id, 5), null, id, null from agents where id like '${agents}%' order by id limit ${LEFTOVERS};
  insert into certificate_versions select id, certificate_id from jobs where certificate_id like '${certs}%';
  insert into certificate_target_mappings select certificate_id, target_id from jobs where target_id is not null;
  insert into policy_violations select id, certificate_id from jobs where certificate_id like '${certs}%';
  insert into issuance_approval_requests select id, certificate_id, id from jobs where certificate_id like '${certs}%';
  insert into notification_events select id, certificate_id from jobs where certificate_id like '${certs}%';
  insert into certificate_revocations select id, certificate_id from jobs where certificate_id like '${certs}%';
  insert into discovery_scans select 'scan-' || right(agent_id, 5), agent_id from deployment_targets where agent_id <> 'ag-real';
  insert into discovered_certificates select j.id, j.certificate_id, j.agent_id, s.id
    from jobs as j join discovery_scans as s using (agent_id) where j.certificate_id like '${certs}%';
  insert into agent_group_members select 'group', agent_id from deployment_targets where agent_id <> 'ag-real';
  insert into endpoint_health_checks select id, certificate_id from jobs where certificate_id like '${certs}%';
  insert into acme_orders select id, certificate_id from jobs where certificate_id like '${certs}%';
  insert into audit_events select id, 'certificate', certificate_id from jobs where certificate_id like '${certs}%';
  insert into audit_events select 'api-' || agent_id, 'api', '/api/v1/agents/' || agent_id || '/heartbeat' from deployment_targets where agent_id <> 'ag-real';
  update jobs set target_id = 'target-00001' where id = 'job-real'`;

/** Somebody else's rows, among them some of every table that a fleet hangs on. */
export const OTHERS = `
  insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id, created_at, updated_at)
    values ('mc-real', 'real.example.test', 'real.example.test', 'o-alice', 't-platform', 'iss-local', 'rp-standard', '2020-01-01', '2020-01-01');
  insert into agents (id, name, hostname, api_key_hash, registered_at) values ('ag-real', 'real', 'real', 'x', '2020-01-01');
  insert into deployment_targets values ('target-real', 'ag-real');
  insert into jobs values ('job-real', 'mc-real', 'ag-real', null);
  insert into issuance_approval_requests values ('approval-real', 'mc-real', 'job-real');
  insert into discovery_scans values ('scan-real', 'ag-real');
  insert into discovered_certificates values ('found-real', 'mc-real', 'ag-real', 'scan-real')`;

/** What a run writes in the columns that a running system writes. */
export const live = ({ certs, agents }: Prefixes): string => `
  update managed_certificates set status = 'RenewalInProgress', expires_at = now() + interval '90 days',
    last_renewal_at = now(), last_deployment_at = now(), updated_at = now() where id like '${certs}%';
  update agents set status = 'Offline', last_heartbeat_at = now(), hostname = 'h-' || id, os = 'linux',
    architecture = 'amd64', ip_address = '127.0.0.1', version = '3' where id like '${agents}%'`;

/**
 * Every row of every table but audit_events, as text; times of the fleet's rows as seconds after their anchor, so that two
 * fleets of different anchors are alike.
 */
export async function snapshot(
  database: Pick<TestDatabase, 'query'>,
  anchor: string,
): Promise<Record<string, string[]>> {
  const tables = await database.query<{ name: string; columns: string[] }>(
    `select c.relname as name, array_agg(case when a.atttypid = 'timestamptz'::regtype
         then format('extract(epoch from %1$I - case when id ~ ''^(cert-loadtest|ag-loadtest|ag-scale)-'' then $1::timestamptz else ''epoch'' end)', a.attname)
         else format('%I', a.attname) end order by a.attnum) as columns
     from pg_class as c join pg_attribute as a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
       and c.relname <> 'audit_events'
     group by c.relname order by c.relname`,
  );
  const entries: [string, string[]][] = [];
  for (const { name, columns } of tables) {
    const text = `concat_ws('|', ${columns.map((column) => `coalesce((${column})::text, 'NULL')`).join(', ')})`;
    const uses = text.includes('$1') ? [anchor] : [];
    const rows = await database.query<{ row: string }>(`select ${text} as row from ${name} order by 1`, uses);
    entries.push([name, rows.map(({ row }) => row)]);
  }
  return Object.fromEntries(entries);
}
