/**
 * The published fixtures as the server itself would make them: a second, independent writing of their formulas. `$1`
 * is the anchor.
 */
const ORACLE: Readonly<Record<string, { table: string; count: number; sql: (count: number) => string }>> = {
  '01_bulk_renewal_certs': {
    table: 'managed_certificates',
    count: 10_000,
    sql: (count) => certificates(count, 5, 'loadtest-bulk-', 'bulk-renewal', 'o-alice', 't-platform'),
  },
  '02_agent_fleet': {
    table: 'agents',
    count: 5_000,
    sql: (count) => agents(count, 5, 'ag-loadtest-', 'loadtest-agent-', 'loadtest-', slash16(42)),
  },
  '03_fleet_50k_certs': {
    table: 'managed_certificates',
    count: 50_000,
    sql: (count) => certificates(count, 5, 'loadtest-fleet50k-', 'fleet-50k', 'o-bob', 't-security'),
  },
  '04_fleet_10k_agents': {
    table: 'agents',
    count: 10_000,
    sql: (count) =>
      agents(count, 5, 'ag-fleet10k-', 'loadtest-fleet10k-agent-', 'loadtest-fleet10k-', slash16(43)),
  },
  scale_certs: {
    table: 'managed_certificates',
    count: 1_100,
    sql: (count) => certificates(count, 8, 'loadtest-scale-', 'scale', 'o-carol', 't-payments'),
  },
  scale_agents: {
    table: 'agents',
    count: 70_000,
    sql: (count) =>
      agents(
        count,
        8,
        'ag-scale-',
        'loadtest-scale-agent-',
        'loadtest-scale-',
        `'10.' || (g / 65536) % 256 || '.' || (g / 256) % 256 || '.' || g % 256`,
      ),
  },
};

function certificates(
  count: number,
  digits: number,
  infix: string,
  batch: string,
  owner: string,
  team: string,
): string {
  return `select 'cert-${infix}' || n as id, '${infix}' || n || '.example.test' as name,
    '${infix}' || n || '.example.test' as common_name, array['${infix}' || n || '.example.test'] as sans,
    'loadtest' as environment, '${owner}' as owner_id, '${team}' as team_id, 'iss-local' as issuer_id,
    'rp-standard' as renewal_policy_id, 'active' as status,
    $1::timestamptz + make_interval(hours => (g % 30) * 24 + g % 24) as expires_at,
    '{"source": "loadtest-phase8", "batch": "${batch}"}'::jsonb as tags,
    null::timestamptz as last_renewal_at, null::timestamptz as last_deployment_at,
    $1::timestamptz as created_at, $1::timestamptz as updated_at, null as certificate_profile_id,
    null::timestamptz as revoked_at, null as revocation_reason, '' as source
  from (select g, to_char(g, 'fm${'0'.repeat(digits)}') as n from generate_series(1, ${count}) as g) as numbers`;
}

function agents(
  count: number,
  digits: number,
  id: string,
  name: string,
  hostname: string,
  address: string,
): string {
  return `select '${id}' || n as id, '${name}' || n as name, '${hostname}' || n || '.fleet.example.test' as hostname,
    'Online' as status, $1::timestamptz - make_interval(secs => g % 60) as last_heartbeat_at,
    $1::timestamptz - make_interval(hours => (g % 90 + 1) * 24) as registered_at,
    'loadtest_no_auth' as api_key_hash,
    case g % 10 when 0 then 'windows' when 1 then 'darwin' else 'linux' end as os,
    case when g % 5 = 0 then 'arm64' else 'amd64' end as architecture, ${address} as ip_address,
    '2.1.0' as version, null::timestamptz as retired_at, null as retired_reason
  from (select g, to_char(g, 'fm${'0'.repeat(digits)}') as n from generate_series(1, ${count}) as g) as numbers`;
}

function slash16(second: number): string {
  return `'10.${second}.' || (g / 256) % 256 || '.' || g % 256`;
}

/**
 * Rows that stand on one side only, of a table whose columns, of whatever types, are all named in the fixture's oracle. A
 * sized fixture may have another count than the usual one. Where the columns have the types that certctl gives them,
 * nothing need be converted, which is the larger part of the work.
 */
export function differenceSql(fixture: string, rows?: number, { asMigrated = false } = {}): string {
  const { table, count, sql: oracle } = ORACLE[fixture]!;
  const sql = oracle(rows ?? count);
  const columns = [...sql.matchAll(/ as (\w+)(?=,|\n {2}from \(select g)/g)]
    .map(([, column]) => column)
    .join(', ');
  const typed = `oracle, jsonb_populate_record(null::${table}, to_jsonb(oracle)) as row`;
  return `with oracle as (${sql}),
    standing as (select ${columns} from ${table} where id in (select id from oracle)),
    typed as (select ${asMigrated ? 'oracle.* from oracle' : `row.* from ${typed}`}),
    expected as (select ${columns} from typed)
    (select 'missing' as side, id from (select * from expected except select * from standing) as m)
    union all
    (select 'unexpected' as side, id from (select * from standing except select * from expected) as u)`;
}
