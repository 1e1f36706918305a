import type { Fixture } from '../src/fixtures/fixture.js';

/**
 * The way of the harness that scale-seed replaces: one statement a fixture that never leaves the server, an INSERT of
 * what generate_series counts. Written from the fixtures' formulas; foreign keys by trigger, ON CONFLICT on the key.
 */
export function publishedSql(fixture: Fixture): string {
  return fixture.table === 'agents' ? agentsSql(fixture) : certificatesSql(fixture);
}

function certificatesSql(fixture: Fixture): string {
  const { id, name, digits } = keysOf(fixture);
  const constant = (column: string): string => {
    const value = fixture.constants[column]?.value;
    return `'${typeof value === 'string' ? value : JSON.stringify(value)}'`;
  };
  const fullName = `'${name.prefix}' || n || '${name.suffix}'`;
  return `insert into managed_certificates (id, name, common_name, sans, environment, owner_id, team_id, issuer_id,
  renewal_policy_id, status, expires_at, tags, created_at, updated_at)
select '${id.prefix}' || n, ${fullName}, ${fullName}, array[${fullName}], ${constant('environment')},
  ${constant('owner_id')}, ${constant('team_id')}, ${constant('issuer_id')}, ${constant('renewal_policy_id')},
  ${constant('status')}, now() + (g % 30) * interval '1 day' + (g % 24) * interval '1 hour',
  ${constant('tags')}::jsonb, now(), now()
from (select g, lpad(g::text, ${digits}, '0') as n from generate_series(1, ${fixture.count}) as g) as numbers
on conflict (id) do nothing;`;
}

function agentsSql(fixture: Fixture): string {
  const { id, name, digits } = keysOf(fixture);
  const [first] = fixture.rows(1, 1) as Iterable<string[]>;
  const hostname = first?.[2]?.split('1.')[0]?.replace(/0+$/, '') ?? '';
  const address = first?.[7]?.replace(/\d+\.\d+$/, '') ?? '';
  return `insert into agents (id, name, hostname, status, last_heartbeat_at, registered_at, api_key_hash, os,
  architecture, ip_address, version)
select '${id.prefix}' || n, '${name.prefix}' || n, '${hostname}' || n || '.fleet.example.test', 'Online',
  now() - (g % 60) * interval '1 second', now() - (g % 90 + 1) * interval '1 day', 'loadtest_no_auth',
  case when g % 10 = 0 then 'windows' when g % 10 = 1 then 'darwin' else 'linux' end,
  case when g % 5 = 0 then 'arm64' else 'amd64' end,
  '${address}' || ((g / 256) % 256)::text || '.' || (g % 256)::text, '2.1.0'
from (select g, lpad(g::text, ${digits}, '0') as n from generate_series(1, ${fixture.count}) as g) as numbers
on conflict (id) do nothing;`;
}

function keysOf({ numberedKeys }: Fixture) {
  const [id, name] = [numberedKeys.id!, numberedKeys.name!];
  return { id, name, digits: id.digits };
}
