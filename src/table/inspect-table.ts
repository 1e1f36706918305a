import { refusal } from '../errors.js';
import { literal, quote, quoteTable } from '../postgres/quote.js';
import type { TableName } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';

interface TableColumn {
  name: string;
  type: string;
  /** The type below all domains, with its length; an array of what is below those of its elements. */
  base: string;
  /** The type without the length of texts and bits, and their domain: a cast to it would cut what is to be refused. */
  uncut: string;
  /** `collate ...` where its collation is not that of the type below all domains. */
  collate: string;
  /** Values that are equal are the same: citext and some collations take more for equal. */
  exact: boolean;
  /** PostgreSQL's category of the type: `S` for strings. */
  category: string;
  notNull: boolean;
  /** Text of the default, its own or its domain's, as pg_get_expr writes it. */
  default: string | null;
  /** Generated, or an identity column that takes no value. */
  generated: boolean;
  identity: boolean;
}

interface ForeignKey {
  name: string;
  columns: string[];
  parent: TableName;
  parentColumns: string[];
  parentIsPartitioned: boolean;
  /** The role may lock rows of the parent. */
  lockable: boolean;
  /** The role may read the parent. */
  readable: boolean;
  /** Row security may keep rows of the parent from the role's sight, though not from the foreign key's. */
  rowsHidden: boolean;
  /** An enforced key that a NULL in any column satisfies, and no period. */
  simple: boolean;
}

/** What the catalogue says of a table, and what the role may do with it. */
export interface TableInfo extends TableName {
  oid: number;
  columns: TableColumn[];
  /** Foreign keys of the table's own, to its parents. */
  foreignKeys: ForeignKey[];
  /** Enabled triggers that are not PostgreSQL's own, those of its partitions among them. */
  userTriggers: string[];
  rowSecurity: boolean;
  /** Row security may keep rows from the role's sight. */
  rowsHidden: boolean;
  /** The unique indexes that hold for every row at once: none that is partial, deferrable or over an expression. */
  uniqueKeys: { index: string; columns: string[]; nullsNotDistinct: boolean }[];
  /** Unique constraints that are checked by triggers, at the end of a statement or transaction. */
  deferrableKeys: string[];
  /** Rewrite rules. */
  rules: string[];
  /** An ordinary table: neither partitioned, nor a view, nor foreign. */
  plain: boolean;
  /** Other tables inherit from it, so that whoever reads it sees their rows, too. */
  inherited: boolean;
  /** Citus keeps its rows on other servers, its workers. */
  distributed: boolean;
  /** The column by which Citus spreads its rows over shards; empty where it does so by other means than the column's hash. */
  shardedBy?: string | undefined;
  /** There the role may set session_replication_role. */
  mayReplicateThere: boolean;
  privileges: Record<Privilege, boolean> & { owner: boolean };
}

export type Privilege = 'select' | 'insert' | 'update' | 'delete';

/** What later versions have added to the catalogue is read by way of JSON: to name a column that PostgreSQL 14 lacks is an error. */
const INSPECT = (names: string) => `
select c.oid::int8 as oid, n.nspname as schema, c.relname as name, c.relkind = 'r' and not c.relispartition as plain,
  c.relkind = 'r' and c.relhassubclass as inherited,
  c.relrowsecurity as "rowSecurity", row_security_active(c.oid) as "rowsHidden",
  json_build_object(
    'select', has_table_privilege(c.oid, 'select'),
    'insert', has_table_privilege(c.oid, 'insert'),
    'update', has_table_privilege(c.oid, 'update'),
    'delete', has_table_privilege(c.oid, 'delete'),
    'owner', pg_has_role(c.relowner, 'usage')
  ) as privileges,
  (select coalesce(json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'base', format_type(b.oid, b.modifier) || b.brackets,
      'uncut', case when b.category in ('S', 'V') then format_type(b.oid, -1) || b.brackets
        when b.category = 'D' and b.brackets = '' then format_type(b.oid, b.modifier)
        else format_type(y.oid, a.atttypmod) end,
      'collate', case when a.attcollation <> b.collation then ' collate ' || a.attcollation::regcollation else '' end,
      'exact', (b.category not in ('S', 'C', 'R')
          or b.oid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'name'::regtype))
        and not exists (select from pg_collation o where o.oid = a.attcollation and not o.collisdeterministic),
      'category', y.typcategory,
      'notNull', a.attnotnull or y.typnotnull,
      'default', case when a.attgenerated = '' then
        coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(y.typdefaultbin, 0)) end,
      'generated', a.attgenerated <> '' or a.attidentity = 'a',
      'identity', a.attidentity <> ''
    ) order by a.attnum), '[]')
    from pg_attribute a join pg_type y on y.oid = a.atttypid
      -- What is below all domains and arrays.
      cross join lateral (
        with recursive below as (
          select y.typcategory as category, y.typbasetype as domain_of, y.typelem as element, y.oid, '' as brackets,
            greatest(a.atttypmod, y.typtypmod) as modifier, y.typcollation as collation
          union all select d.typcategory, d.typbasetype, d.typelem, d.oid,
            case when domain_of = 0 then '[]' else brackets end,
            case modifier when -1 then d.typtypmod else modifier end, d.typcollation
          from below join pg_type d on d.oid = case when domain_of <> 0 then domain_of when category = 'A' then element end)
        select * from below where domain_of = 0 and category <> 'A') as b
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
  (select coalesce(json_agg(json_build_object(
      'name', k.conname,
      'columns', (select json_agg(a.attname order by u.n) from unnest(k.conkey) with ordinality u (attnum, n)
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum),
      'parent', json_build_object('schema', pn.nspname, 'name', p.relname),
      'parentColumns', (select json_agg(a.attname order by u.n) from unnest(k.confkey) with ordinality u (attnum, n)
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum),
      'parentIsPartitioned', p.relkind = 'p',
      'lockable', has_schema_privilege(pn.oid, 'usage') and has_any_column_privilege(p.oid, 'update'),
      'readable', has_schema_privilege(pn.oid, 'usage') and has_table_privilege(p.oid, 'select'),
      'rowsHidden', row_security_active(p.oid),
      'simple', k.confmatchtype = 's' and not coalesce((to_jsonb(k)->>'conperiod')::bool, false)
        and coalesce((to_jsonb(k)->>'conenforced')::bool, true)
    ) order by k.conname), '[]')
    from pg_constraint k join pg_class p on p.oid = k.confrelid join pg_namespace pn on pn.oid = p.relnamespace
    where k.conrelid = c.oid and k.contype = 'f'
      -- A key to a partitioned table has a row for each of its partitions too.
      and not exists (select from pg_constraint w where w.oid = k.conparentid and w.conrelid = c.oid)) as "foreignKeys",
  -- Those of partitions are theirs alone, or copies of the table's.
  (select coalesce(json_agg(distinct t.tgname), '[]')
    from (select c.oid union all select relid from pg_partition_tree(c.oid) where c.relkind = 'p') as tree (oid)
      join pg_trigger t on t.tgrelid = tree.oid where case
        -- Those of foreign keys, too, where they are set to work whatever the session's role.
        when t.tgisinternal then t.tgenabled in ('A', 'R') else t.tgenabled <> 'D' end) as "userTriggers",
  (select coalesce(json_agg(json_build_object(
      'index', x.relname,
      'columns', (select json_agg(a.attname order by u.n) from unnest(i.indkey::int2[]) with ordinality u (attnum, n)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = u.attnum where u.n <= i.indnkeyatts),
      'nullsNotDistinct', coalesce((to_jsonb(i)->>'indnullsnotdistinct')::bool, false)
    ) order by i.indisprimary desc, i.indexrelid), '[]')
    from pg_index i join pg_class x on x.oid = i.indexrelid
    where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
      and i.indexprs is null) as "uniqueKeys",
  (select coalesce(json_agg(k.conname order by k.conname), '[]')
    from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'u', 'x') and k.condeferrable)
    as "deferrableKeys",
  (select coalesce(json_agg(r.rulename order by r.rulename), '[]')
    from pg_rewrite r where r.ev_class = c.oid and r.rulename <> '_RETURN') as rules
from unnest(array[${names}]::text[]) as wanted (name)
  join pg_class c on c.oid = to_regclass(wanted.name) join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')`;

/** Looks tables up by name, in `schema` or on the search_path; those that are not there are left out. */
export async function inspectTables(
  session: Session,
  names: readonly string[],
  schema: string | undefined,
): Promise<Map<string, TableInfo>> {
  const quoted = names.map((name) => literal(schema === undefined ? quote(name) : quote(schema, name)));
  const { rows } = await session.query<TableInfo & { oid: string }>(INSPECT(quoted.join(', ')));
  // The server cuts a name after 63 bytes: what it then finds is another schema than was named.
  const meant = rows.filter((found) => schema === undefined || found.schema === schema);
  return new Map(
    meant.map((found) => [
      found.name,
      { ...found, oid: Number(found.oid), distributed: false, mayReplicateThere: false },
    ]),
  );
}

/** One of the table's columns. */
export function columnOf({ columns }: TableInfo, column: string): TableColumn {
  return columns.find(({ name }) => name === column)!;
}

/** Whether values of a column that are equal are the same. */
export function isExact(table: TableInfo, column: string): boolean {
  return columnOf(table, column).exact;
}

/** A text in a form that is equal only to the same. */
export function exactly(sql: string): string {
  return `${sql}::text collate "C"`;
}

/** A value as its column takes it, through the type's own input where it is given as text. */
export function castTo(table: TableInfo, column: string, sql: string): string {
  return `(${sql})::${columnOf(table, column).uncut}`;
}

/**
 * A table as SQL where its rows are read or changed: its own, not those of tables that inherit from it, in which no row is
 * inserted, and for which its unique keys do not hold. Citus has no such tables.
 */
export function rowsOf(table: Pick<TableInfo, 'schema' | 'name' | 'plain' | 'distributed'>): string {
  return `${table.plain && !table.distributed ? 'only ' : ''}${quoteTable(table)}`;
}

const OTHER_KIND = `
select n.nspname as schema, case c.relkind when 'v' then 'a view' when 'm' then 'a materialized view'
  when 'f' then 'a foreign table' when 'S' then 'a sequence' when 'c' then 'a type' else 'an index' end as kind
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass($1) and c.relname = $2 and n.nspname = coalesce($3, n.nspname)
  -- A table may have come in the meantime.
  and c.relkind not in ('r', 'p')`;

/** Says that there is none, which may come; or what stands in its place, which stays. */
export async function refuseMissingTable(
  session: Session,
  table: string,
  schema: string | undefined,
): Promise<never> {
  const name = schema === undefined ? quote(table) : quote(schema, table);
  const other = await session.first<{ schema: string; kind: string }>(OTHER_KIND, [name, table, schema]);
  if (other !== undefined) {
    const message = `${table} in schema ${other.schema} is ${other.kind}, not a table`;
    const hint = "name the table's schema with --schema, or the table in the fixture";
    throw refusal(message, hint, { code: 'fixture', phase: 'prepare', table });
  }
  const where = schema === undefined ? 'on the search_path' : `in schema ${schema}`;
  const hint =
    'start certctl-server once so that it migrates the database, name the schema with --schema, grant usage on it, or --wait for it';
  throw refusal(`there is no table ${table} ${where}`, hint, { code: 'schema', phase: 'prepare', table });
}
