import type { Query } from '../campaign/checks.js';

/** The columns of a row that are looked at: its table's key, what it refers to others by, and its name. */
export type Row = Readonly<Record<string, string | null>>;

/** The rows of each table by their keys. */
export type State = ReadonlyMap<string, ReadonlyMap<string, Row>>;

/** A foreign key of one column, and what a deletion does to the row that holds it. */
export interface Reference {
  child: string;
  column: string;
  parent: string;
  action: 'cascade' | 'set null' | 'block';
}

export interface Schema {
  /** The columns of each table's primary key. */
  keys: ReadonlyMap<string, readonly string[]>;
  references: readonly Reference[];
}

/** A row before and after a change; a table that was truncated has none. */
interface Change {
  table: string;
  before: string | undefined;
  after: { key: string; row: Row } | undefined;
  truncates: boolean;
}

/** What a transaction that was committed has changed, savepoints that were rolled back left out. */
export interface Transaction {
  xid: string;
  changes: readonly Change[];
}

const SLOT = 'interleavings';
/** The table that the action `add-foreign-key` makes, and the name that `rename-table` gives. */
export const EXTRA: Reference = {
  child: 'extra_links',
  column: 'certificate_id',
  parent: 'managed_certificates',
  action: 'cascade',
};
export const RENAMED = 'renamed_certificates';

/** What has a database's changes recorded from then on. */
export const RECORD = `select pg_create_logical_replication_slot('${SLOT}', 'test_decoding')`;

export async function readSchema(query: Query): Promise<Schema> {
  const keys = await query<{ table: string; columns: string[] }>(
    `select conrelid::regclass::text as table, array_agg(a.attname::text order by a.attnum) as columns
     from pg_constraint as k join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
     where k.contype = 'p' and k.connamespace = 'public'::regnamespace group by k.oid`,
  );
  const references = await query<Reference>(
    `select conrelid::regclass::text as child, a.attname::text as column, confrelid::regclass::text as parent,
       case confdeltype when 'c' then 'cascade' when 'n' then 'set null' else 'block' end as action
     from pg_constraint as k join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
     where k.contype = 'f' and k.connamespace = 'public'::regnamespace order by 1, 2`,
  );
  return {
    keys: new Map(keys.map(({ table, columns }) => [table, columns])),
    references: [...references, EXTRA],
  };
}

/** All rows that stand. */
export async function readRows(query: Query, schema: Schema): Promise<State> {
  const state = new Map<string, Map<string, Row>>();
  for (const table of schema.keys.keys()) {
    const columns = columnsOf(schema, table);
    const rows = await query<Row>(`select ${columns.join(', ')} from ${table}`);
    state.set(table, new Map(rows.map((row) => [keyOf(schema, table, row), row])));
  }
  return state;
}

/** What was committed since the slot was made, in the order of the commits. */
export async function readHistory(query: Query, schema: Schema): Promise<Transaction[]> {
  const lines = await query<{ xid: string; data: string }>(
    `select xid::text, data from pg_logical_slot_get_changes('${SLOT}', null, null, 'include-xids', '0', 'skip-empty-xacts', '1')`,
  );
  const transactions: Transaction[] = [];
  for (const { xid, data } of lines) {
    if (data.startsWith('BEGIN')) transactions.push({ xid, changes: [] });
    else if (data.startsWith('table'))
      (transactions.at(-1)!.changes as Change[]).push(...changesIn(data, schema));
  }
  return transactions.filter(({ changes }) => changes.length > 0);
}

/** The rows after a transaction. */
export function apply(state: State, { changes }: Transaction): State {
  const next = new Map(state);
  const copied = new Set<string>();
  for (const { table, before, after, truncates } of changes) {
    if (!copied.has(table)) next.set(table, truncates ? new Map() : new Map(next.get(table)));
    copied.add(table);
    const rows = next.get(table) as Map<string, Row>;
    if (truncates) rows.clear();
    if (before !== undefined) rows.delete(before);
    if (after !== undefined) rows.set(after.key, after.row);
  }
  return next;
}

/** One line of test_decoding's: a row's columns as name[type]:value, of an update those of the old key first if it changed. */
function changesIn(line: string, schema: Schema): Change[] {
  const [, tables = '', kind = '', columns = ''] = /^table (.+?): ([A-Z]+):(.*)$/s.exec(line) ?? [];
  const names = tables
    .split(', ')
    .map((name) => name.replace(/^public\./, '').replace(RENAMED, 'managed_certificates'));
  if (kind === 'TRUNCATE')
    return names.map((table) => ({ table, before: undefined, after: undefined, truncates: true }));
  const table = names[0]!;
  if (tables.includes('.') && !tables.startsWith('public.')) return [];
  const [old, now] = columns.includes(' new-tuple:') ? columns.split(' new-tuple:') : [columns, columns];
  const row = rowIn(now!, columnsOf(schema, table));
  const before = kind === 'INSERT' ? undefined : keyOf(schema, table, rowIn(old!, keysOf(schema, table)));
  const after = kind === 'DELETE' ? undefined : { key: keyOf(schema, table, row), row };
  return [{ table, before, after, truncates: false }];
}

function rowIn(columns: string, names: readonly string[]): Row {
  return Object.fromEntries(
    names.map((name) => {
      return [name, valueOf(name).exec(columns)?.[1] ?? null];
    }),
  );
}

const patterns = new Map<string, RegExp>();

function valueOf(column: string): RegExp {
  const known = patterns.get(column);
  const pattern = known ?? new RegExp(` ${column}\\[[^\\]]*\\]:(?:'((?:[^']|'')*)'|null)`);
  patterns.set(column, pattern);
  return pattern;
}

function keysOf({ keys }: Schema, table: string): readonly string[] {
  return keys.get(table) ?? ['id'];
}

function columnsOf(schema: Schema, table: string): string[] {
  const referring = schema.references.filter(({ child }) => child === table).map(({ column }) => column);
  const named = ['managed_certificates', 'agents'].includes(table) ? ['name'] : [];
  return [...new Set([...keysOf(schema, table), ...referring, ...named])];
}

function keyOf(schema: Schema, table: string, row: Row): string {
  return keysOf(schema, table)
    .map((column) => row[column])
    .join('/');
}
