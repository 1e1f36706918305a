/**
 * What holds for each transaction, set anew in every one, since a pooler may give the next to another backend, and a
 * role, a database or a URL may have set it otherwise:
 *
 * - a name means what the catalogue has under it before anything else. This comes first and calls no operator, as one of
 *   somebody else's might be found;
 * - triggers and foreign keys do their work, an index gives all that it has, and an error ends a statement, not the
 *   session;
 * - values are written and read in one way, and messages come, in English where the role may have that;
 * - no JIT, which never pays in a merge and can cost hundreds of milliseconds;
 * - a watch on the client, without which a backend that waits for COPY data never learns that the loader's machine is
 *   gone. Servers on Windows cannot watch it, and PostgreSQL 14 can on Linux alone;
 * - a lock is waited for five minutes at most, where nobody has chosen otherwise.
 *
 * Left as they are: limits (of time, memory, temporary files), what only makes a plan better or worse, read-only
 * transactions, which are refused, and synchronous_commit and event_triggers, which somebody has chosen for a reason.
 */
export const SETTINGS = `
select pg_catalog.set_config('search_path',
  pg_catalog.regexp_replace(pg_catalog.current_setting('search_path'), '^(?=.)', 'pg_catalog, '), true);
select set_config(name, wanted, true) from (values
  ('session_replication_role', 'origin'), ('row_security', 'on'), ('gin_fuzzy_search_limit', '0'),
  ('exit_on_error', 'off'), ('jit', 'off'), ('client_min_messages', 'notice'),
  ('datestyle', 'ISO, MDY'), ('intervalstyle', 'postgres'), ('timezone', 'UTC'), ('timezone_abbreviations', 'Default'),
  ('bytea_output', 'hex'), ('extra_float_digits', '1'), ('lc_monetary', 'C'), ('array_nulls', 'on'),
  ('xmloption', 'content'), ('quote_all_identifiers', 'off'),
  ('lc_messages', case when current_setting('is_superuser')::bool then 'C' else current_setting('lc_messages') end),
  ('client_connection_check_interval',
    case when version() ~* 'mingw|windows|visual c' or
      version() ~ '^PostgreSQL 14' and version() !~* 'linux' then '0' else '5000' end),
  ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
  ('lock_timeout', regexp_replace(current_setting('lock_timeout'), '^0$', '5min'))
) as setting (name, wanted)
where wanted is distinct from current_setting(name)`;

/** Which of the results of a begin is that of the process id, after the begin's own and the settings'. */
export const SETTINGS_AT = 3;
