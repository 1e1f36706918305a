-- The tables that a fleet touches: managed_certificates with its nine indexes and agents, as they stand after all of
-- certctl's migrations, and the parents. What these lack, and the tables that only refer to them, certctl's migrations add.

create table teams (
  id text primary key, name varchar(255) not null unique, description text,
  created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create table owners (
  id text primary key, name varchar(255) not null, email varchar(255) not null,
  team_id text not null references teams (id) on delete cascade, created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create table renewal_policies (
  id text primary key, name varchar(255) not null unique, renewal_window_days integer not null,
  auto_renew boolean not null default true, max_retries integer not null default 3,
  retry_interval_seconds integer not null default 60,
  alert_thresholds_days jsonb not null default '[30, 14, 7, 0]',
  created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create table issuers (
  id text primary key, name varchar(255) not null unique, type varchar(255) not null, config jsonb,
  enabled boolean not null default true,
  created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create table certificate_profiles (
  id text primary key, name varchar(255) not null unique, description text default '',
  allowed_key_algorithms jsonb not null
    default '[{"algorithm": "ECDSA", "min_size": 256}, {"algorithm": "RSA", "min_size": 2048}]',
  max_ttl_seconds integer not null default 0, allowed_ekus jsonb not null default '["serverAuth"]',
  required_san_patterns jsonb not null default '[]', spiffe_uri_pattern varchar(512) default '',
  allow_short_lived boolean not null default false, enabled boolean not null default true,
  created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create table managed_certificates (
  id text primary key, name varchar(255) not null unique, common_name varchar(255) not null,
  sans text[] default '{}', environment varchar(50),
  owner_id text not null references owners (id) on delete restrict,
  team_id text not null references teams (id) on delete cascade,
  issuer_id text not null references issuers (id) on delete restrict,
  renewal_policy_id text not null references renewal_policies (id) on delete restrict,
  status varchar(50) not null default 'pending', expires_at timestamptz, tags jsonb not null default '{}',
  last_renewal_at timestamptz, last_deployment_at timestamptz, created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  certificate_profile_id text references certificate_profiles (id) on delete set null, revoked_at timestamptz,
  revocation_reason varchar(50), source text not null default ''
);
create index idx_managed_certificates_status on managed_certificates (status);
create index idx_managed_certificates_expires_at on managed_certificates (expires_at);
create index idx_managed_certificates_owner_id on managed_certificates (owner_id);
create index idx_managed_certificates_team_id on managed_certificates (team_id);
create index idx_managed_certificates_issuer_id on managed_certificates (issuer_id);
create index idx_managed_certificates_name on managed_certificates (name);
create index idx_managed_certificates_profile_id on managed_certificates (certificate_profile_id);
create table agents (
  id text primary key, name varchar(255) not null unique, hostname varchar(255) not null,
  status varchar(50) not null default 'offline', last_heartbeat_at timestamptz,
  registered_at timestamptz not null default now(), api_key_hash varchar(255) not null,
  os varchar(100) default '', architecture varchar(100) default '', ip_address varchar(45) default '',
  version varchar(50) default '', retired_at timestamptz, retired_reason text
);
create index idx_agents_status on agents (status);
create index idx_agents_hostname on agents (hostname);
create index idx_agents_last_heartbeat_at on agents (last_heartbeat_at);
create index idx_agents_os on agents (os);
create index idx_agents_architecture on agents (architecture);
create index idx_agents_online_heartbeat on agents (status, last_heartbeat_at) where status = 'online';
create index idx_agents_retired_at on agents (retired_at) where retired_at is not null;
