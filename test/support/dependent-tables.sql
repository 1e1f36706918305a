-- The tables that reference managed_certificates and agents, with no more than their foreign keys.
create table jobs (
  id text primary key,
  certificate_id text references managed_certificates (id) on delete cascade,
  agent_id text references agents (id)
);
create table certificate_versions (
  id text primary key,
  certificate_id text not null references managed_certificates (id) on delete cascade
);
create table certificate_target_mappings (
  certificate_id text not null references managed_certificates (id) on delete cascade,
  target_id text not null,
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
create table discovered_certificates (
  id text primary key,
  managed_certificate_id text references managed_certificates (id),
  agent_id text references agents (id)
);
create table endpoint_health_checks (
  id text primary key,
  certificate_id text references managed_certificates (id)
);
create table acme_orders (
  id text primary key,
  certificate_id text references managed_certificates (id)
);
