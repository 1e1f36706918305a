-- The tables that reference managed_certificates and agents, with no more than their foreign keys.
create table deployment_targets (
  id text primary key,
  agent_id text not null references agents (id) on delete restrict
);
create table jobs (
  id text primary key,
  certificate_id text references managed_certificates (id) on delete cascade,
  agent_id text references agents (id) on delete set null,
  target_id text references deployment_targets (id) on delete set null
);
create table certificate_versions (
  id text primary key,
  certificate_id text not null references managed_certificates (id) on delete cascade
);
create table certificate_target_mappings (
  certificate_id text not null references managed_certificates (id) on delete cascade,
  target_id text not null references deployment_targets (id) on delete cascade,
  primary key (certificate_id, target_id)
);
create table policy_violations (
  id text primary key,
  certificate_id text not null references managed_certificates (id) on delete cascade
);
create table issuance_approval_requests (
  id text primary key,
  certificate_id text not null references managed_certificates (id) on delete cascade,
  job_id text references jobs (id) on delete cascade
);
create table notification_events (
  id text primary key,
  certificate_id text references managed_certificates (id) on delete cascade
);
create table certificate_revocations (
  id text primary key,
  certificate_id text not null references managed_certificates (id)
);
create table discovery_scans (
  id text primary key,
  agent_id text not null references agents (id)
);
create table discovered_certificates (
  id text primary key,
  managed_certificate_id text references managed_certificates (id),
  agent_id text references agents (id),
  discovery_scan_id text references discovery_scans (id)
);
create table agent_group_members (
  agent_group_id text not null,
  agent_id text not null references agents (id) on delete cascade,
  primary key (agent_group_id, agent_id)
);
create table endpoint_health_checks (
  id text primary key,
  certificate_id text references managed_certificates (id)
);
create table acme_orders (
  id text primary key,
  certificate_id text references managed_certificates (id)
);
-- No foreign key, and nothing may be deleted.
create table audit_events (
  id text primary key,
  resource_type text not null,
  resource_id text not null
);
create function refuse_to_forget() returns trigger language plpgsql as $$ begin raise 'audit_events only grow'; end $$;
create trigger no_delete before update or delete on audit_events for each row execute function refuse_to_forget();
