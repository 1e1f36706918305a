import { quoteTable } from '../postgres/quote.js';
import type { TableName } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';

/** A table of which rows are to go, or that refers to one. */
export type Table = TableName & { oid: number; distributed?: boolean | undefined };

/** A foreign key that points at a table, what a deletion there does to the row that holds it, and what the role may do. */
export interface Reference {
  name: string;
  child: Table & { partitioned: boolean; inherited: boolean };
  /** Its columns, of a row `t`, as SQL. */
  columns: string[];
  parentColumns: string[];
  /** The last columns are periods: one refers to all rows that its own overlaps with (PostgreSQL 18). */
  period: boolean;
  /** One whose trigger is disabled would leave its rows as they are: it is taken as forbidding the deletion. */
  action: 'cascade' | 'set null' | 'set default' | 'block';
  /** The columns that `set null` empties. */
  emptied: string[];
  /** The role may see all rows. */
  mayRead: boolean;
  mayDelete: boolean;
  mayUpdate: boolean;
  /** Enabled triggers that are not PostgreSQL's own. */
  triggers: string[];
}

const REFERENCES = `
with tree (oid) as (select $1::int8::oid union select relid from pg_partition_tree($1::int8::oid))
select k.conname as name,
  json_build_object('oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'partitioned', c.relkind = 'p',
    'inherited', c.relkind = 'r' and c.relhassubclass) as child,
  coalesce((to_jsonb(k)->>'conperiod')::bool, false) as period,
  case when exists (select from pg_trigger t where t.tgconstraint = k.oid and t.tgrelid = k.confrelid
      and t.tgtype & 8 <> 0 and t.tgenabled in ('D', 'R')) then 'block'
    else case k.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'block' end end as action,
  -- Compared in the parent's collation, as the key itself has it.
  (select json_agg(format('t.%I', a.attname) || coalesce(' collate ' || nullif(nullif(p.attcollation, 0), 100)::regcollation, '')
      order by u.n)
    from unnest(k.conkey, k.confkey) with ordinality u (attnum, parent, n)
      join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum
      join pg_attribute p on p.attrelid = k.confrelid and p.attnum = u.parent) as columns,
  (select json_agg(a.attname order by u.n) from unnest(k.confkey) with ordinality u (attnum, n)
    join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum) as "parentColumns",
  (select json_agg(a.attname order by a.attnum) from pg_attribute a where a.attrelid = k.conrelid and a.attnum in (
    -- From PostgreSQL 15 on it may be some of its columns.
    select coalesce(emptied.attnum::int2, u.attnum) from unnest(k.conkey) as u (attnum)
      left join jsonb_array_elements_text(nullif(to_jsonb(k) -> 'confdelsetcols', 'null')) as emptied (attnum) on true
  )) as emptied,
  -- Row security may keep rows from the role's sight, though not from the foreign key's.
  m.usable and has_table_privilege(c.oid, 'select') and not row_security_active(c.oid) as "mayRead",
  m.usable and has_table_privilege(c.oid, 'delete') as "mayDelete",
  m.usable and has_table_privilege(c.oid, 'update') as "mayUpdate",
  (select coalesce(json_agg(t.tgname order by t.tgname), '[]')
    from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled <> 'D') as triggers
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace,
  lateral (select has_schema_privilege(n.oid, 'usage') as usable) as m
where k.contype = 'f' and k.confrelid in (select oid from tree)
  -- Of a partitioned child's, its partitions have one each; what points at a partition by its parent's points at it.
  and not exists (select from pg_constraint w where w.oid = k.conparentid and w.confrelid in (select oid from tree))
  and coalesce((to_jsonb(k)->>'conenforced')::bool, true)
order by n.nspname, c.relname, k.conname`;

/** The foreign keys that point at a table, or at one of its partitions alone. */
export async function findReferences(session: Session, { oid }: Pick<Table, 'oid'>): Promise<Reference[]> {
  const { rows } = await session.query<Reference>(REFERENCES, [oid]);
  return rows;
}

/** Those whose table may hold a row: a join with an empty table may take as long as with a full one. */
export async function findFilled(
  session: Session,
  table: Pick<Table, 'oid' | 'distributed'>,
): Promise<Reference[]> {
  const references = await findReferences(session, table);
  if (references.length === 0) return [];
  // What refers to a table of Citus's is one, too, and its rows take no room here.
  const size = table.distributed === true ? 'citus_relation_size' : 'pg_relation_size';
  // Of several shards Citus fetches what the subquery gives: a single row, with a column.
  const filled = references.map(({ mayRead, child }) =>
    mayRead
      ? `exists (select 1 from ${childRows(child)} limit 1)`
      : `${size}(${child.oid}) > 0 or ${child.partitioned}`,
  );
  const have = await whichHold(session, filled);
  return references.filter((_, index) => have[index] === true);
}

/** Which of some conditions hold. */
export async function whichHold(session: Session, conditions: readonly string[]): Promise<boolean[]> {
  const sql = `select array[${conditions.join(', ')}] as held`;
  return (await session.first<{ held: boolean[] }>(sql))?.held ?? [];
}

/** A referring table as SQL, without the tables that inherit from it, for which its foreign keys do not hold. */
export function childRows(child: Reference['child']): string {
  return `${child.inherited ? 'only ' : ''}${quoteTable(child)}`;
}
