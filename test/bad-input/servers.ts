import type { BadInput } from './bad-input.js';

const LOADED = { exit: 0, printed: /20 agents rows present/, added: 20 };
const load = (url: string, ...more: string[]): string[] => [
  'load',
  '--agents',
  '20',
  '--database-url',
  url,
  ...more,
];

/** A character that the encoding of LATIN1 lacks. */
export const SNOWMAN = `export default {
  name: 'own',
  table: 'agents',
  count: 1,
  columns: { id: 'text', name: 'text', hostname: 'text', api_key_hash: 'text' },
  conflictKeys: [['id']],
  mark: { column: 'id', prefix: 'own-' },
  rows: () => [['own-1', '☃', 'h', 'x']],
};
`;

export const SERVERS: readonly BadInput[] = [
  {
    what: 'a standby',
    typed: ({ standbyUrl }) => load(standbyUrl),
    exit: 1,
    printed: /the session is read-only/,
  },
  {
    what: 'a role that is kept from writing',
    typed: ({ roleUrl }) => load(roleUrl),
    before: 'alter role ROLE set default_transaction_read_only = on; grant select, insert on agents to ROLE',
    after: 'alter role ROLE reset default_transaction_read_only; revoke all on agents from ROLE',
    exit: 1,
    printed: /the session is read-only/,
  },
  {
    what: 'a URL that keeps us from writing',
    typed: ({ url }) => load(`${url}?options=-c%20default_transaction_read_only%3Don`),
    exit: 1,
    printed: /the session is read-only/,
  },
  {
    what: 'a role that may not make temporary tables',
    typed: ({ roleUrl }) => load(roleUrl),
    before: `do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$;
      grant select, insert on agents to ROLE`,
    after: `do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$;
      revoke all on agents from ROLE`,
    exit: 1,
    printed: /the role may not make temporary tables/,
  },
  {
    what: 'a role that may not insert',
    typed: ({ roleUrl }) => load(roleUrl),
    before: 'grant select on agents to ROLE',
    after: 'revoke all on agents from ROLE',
    exit: 1,
    printed: /the role lacks insert on agents/,
  },
  {
    what: 'a role whose search_path leads to another schema',
    typed: ({ roleUrl }) => load(roleUrl),
    before: `create schema elsewhere; create table elsewhere.agents (like public.agents including all);
      grant usage on schema elsewhere to ROLE; grant select, insert on elsewhere.agents to ROLE;
      alter role ROLE set search_path = elsewhere`,
    after: 'alter role ROLE reset search_path; drop schema elsewhere cascade',
    ...LOADED,
  },
  {
    what: 'a role whose search_path leads nowhere',
    typed: ({ roleUrl }) => load(roleUrl),
    before: `alter role ROLE set search_path = ''`,
    after: 'alter role ROLE reset search_path',
    exit: 1,
    printed: /there is no table agents on the search_path/,
  },
  {
    what: 'a search_path that leads nowhere, and --schema',
    typed: ({ url }) => load(`${url}?options=-c%20search_path%3Dnowhere`, '--schema', 'public'),
    ...LOADED,
    after: 'truncate agents cascade',
  },
  {
    what: 'a database in LATIN1',
    typed: ({ latin1Url }) => load(latin1Url),
    ...LOADED,
  },
  {
    what: 'a character that LATIN1 lacks',
    typed: ({ latin1Url, folder }) => [
      ...['load', '--fixture', `${folder}/snowman.mjs`],
      ...['--database-url', latin1Url],
    ],
    exit: 1,
    printed: /has no equivalent in encoding "LATIN1"[^]*use a database in UTF8/,
  },
  {
    what: 'a database in SQL_ASCII',
    typed: ({ asciiUrl }) => load(asciiUrl),
    ...LOADED,
  },
  {
    what: 'a database that sorts as English does',
    typed: ({ icuUrl }) => load(icuUrl),
    ...LOADED,
  },
  {
    what: 'a database that sorts as English does, again',
    typed: ({ icuUrl }) => load(icuUrl),
    ...LOADED,
    added: 0,
  },
];
