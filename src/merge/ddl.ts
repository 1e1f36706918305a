import { hasState, type ScaleSeedError } from '../errors.js';
import { quote, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { Step } from '../run/step.js';

/** An index that can be made again exactly as it was. */
export interface PlainIndex {
  name: string;
  definition: string;
}

/**
 * Drops the table's plain indexes, those that `create index` alone brings back as they were; a rollback leaves them
 * untouched. Where somebody forbids it, all are kept, and that is told. A function or an operator of the database's own may
 * fail as an index is made, where PostgreSQL 17 has it find nothing by the search_path.
 */
export async function dropPlainIndexes({ session, table, context }: Step): Promise<PlainIndex[]> {
  const { rows: indexes } = await session.query<PlainIndex>(
    `select c.relname as name, pg_get_indexdef(i.indexrelid) as definition
     from pg_index as i join pg_class as c on c.oid = i.indexrelid
     where i.indrelid = ${table.oid} and i.indisvalid and i.indisready
       and has_schema_privilege(c.relnamespace, 'create')
       and not (i.indisunique or i.indisprimary or i.indisexclusion or i.indisreplident or i.indisclustered)
       and c.reltablespace = 0 and not c.relispartition
       and obj_description(c.oid, 'pg_class') is null
       and not exists (select from pg_attribute as a where a.attrelid = c.oid and a.attstattarget >= 0)
       and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid
         and (d.deptype in ('e', 'x') or d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass)))
     order by c.relname`,
  );
  if (indexes.length === 0) return [];
  const drop = `drop index ${indexes.map(({ name }) => quote(table.schema, name)).join(', ')}`;
  const triggers = await session.count(`from pg_event_trigger where evtenabled <> 'D'`);
  // Where event triggers might forbid to make them again, they are made first and undone.
  const trial = triggers > 0 ? [drop, ...indexes.map(({ definition }) => definition), BEFORE_DDL] : [];
  const refusal = await tryDdl(session, [...trial, drop].join(';\n'));
  if (refusal === undefined) return indexes;
  context.onNotice(`${table.name} is loaded with its indexes: ${refusal.message}`);
  return [];
}

/** Makes the dropped indexes again, in the database's own tablespace, where all of them were. */
export async function rebuildIndexes(session: Session, indexes: readonly PlainIndex[]): Promise<void> {
  if (indexes.length === 0) return;
  session.soon(`select set_config('default_tablespace', '', true)`);
  await session.query(indexes.map(({ definition }) => definition).join(';\n'));
}

/**
 * A column that nothing depends on and that `alter column` leaves as it is, where PostgreSQL can rewrite the table by it: no
 * table inherits from it or gives it its type, no event trigger listens, and no index is invalid, which it would mend.
 */
const COLUMN = `
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type
from pg_attribute as a join pg_type as y on y.oid = a.atttypid join pg_class as c on c.oid = a.attrelid
where a.attrelid = $1::int8::oid and a.attnum > 0 and not a.attisdropped
  and not a.atthasdef and a.attidentity = '' and a.attgenerated = '' and a.attndims = 0 and y.typtype = 'b'
  and a.attcollation = y.typcollation and a.attstorage = y.typstorage and a.attcompression = ''
  and not exists (select from pg_depend as d
    where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = a.attnum)
  and c.reloftype = 0 and not exists (select from pg_inherits as i where c.oid in (i.inhrelid, i.inhparent))
  and not exists (select from pg_event_trigger where evtenabled <> 'D')
  and not exists (select from pg_index as i where i.indrelid = c.oid and not i.indisvalid)
order by a.attnum limit 1`;

/**
 * Takes the rows that this transaction has deleted out of a table and its indexes, where that is to be had: what that gains,
 * and why not by truncate, is in docs/decisions/reset.md. To transactions with an older snapshot the table is then empty.
 */
export async function rewriteTable({ session, table }: Step): Promise<void> {
  const column = await session.first<{ name: string; type: string }>(COLUMN, [table.oid]);
  if (column === undefined) return;
  const name = quote(column.name);
  // An expression that is no mere column to the planner: the values stay, but every row is written anew.
  const same = `case when clock_timestamp() is null then null else ${name} end`;
  const alter = `alter table ${quoteTable(table)} alter column ${name} type ${column.type} using ${same}`;
  await tryDdl(session, alter);
}

const BEFORE_DDL = 'rollback to savepoint ddl';

/** Runs DDL that can be done without; where the server refuses it, nothing of it stands, and the error is returned. */
async function tryDdl(session: Session, ddl: string): Promise<ScaleSeedError | undefined> {
  session.soon('savepoint ddl');
  let refusal: ScaleSeedError | undefined;
  try {
    await session.query(ddl);
  } catch (error) {
    if (!hasState(error, /^(?!08|40|53|57)/)) throw error;
    await session.query(BEFORE_DDL);
    refusal = error;
  }
  // Released as that of a merge is.
  session.soon('release savepoint ddl');
  return refusal;
}
