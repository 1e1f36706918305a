import { hasState, ScaleSeedError } from '../errors.js';
import { quote, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { Step } from '../run/step.js';
import { limitSql } from './claim.js';

/** An index that can be made again exactly as it was. */
export interface PlainIndex {
  name: string;
  definition: string;
}

interface FoundIndex extends PlainIndex {
  /** Takes the index's own lock, and changes nothing. */
  hold: string;
  limitMs: number;
  /** Event triggers listen. */
  heard: boolean;
}

const LIMIT_MS = `extract(epoch from current_setting('lock_timeout')::interval) * 1000`;
/** Half the time until somebody looks for a deadlock: whoever has the lock may want to read the table. */
const BRIEFLY = `least(${LIMIT_MS}, extract(epoch from current_setting('deadlock_timeout')::interval) * 500)`;

/**
 * Indexes that `create index` alone brings back. Not those that hang on what is the database's own: one of such a type or
 * operator class may fail where an index is made, as PostgreSQL 17 has it find nothing by the search_path. Nor those over
 * expressions, or with a condition: how the server writes these is not always what it makes of it when it reads it. The
 * columns of an index keep names that those of the table have lost.
 */
const PLAIN_INDEXES = (oid: number): string => `
select c.relname as name, pg_get_indexdef(c.oid) as definition,
  format('alter index %I.%I set tablespace %I', n.nspname, c.relname, s.spcname) as hold,
  ${LIMIT_MS}::int as "limitMs",
  exists (select from pg_event_trigger where evtenabled <> 'D') as heard
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
  join pg_database b on b.datname = current_database() join pg_tablespace s on s.oid = b.dattablespace
where i.indrelid = ${oid} and i.indisvalid and i.indisready and i.indpred is null
  and has_schema_privilege(n.oid, 'create')
  and not (i.indisunique or i.indisprimary or i.indisexclusion or i.indisreplident or i.indisclustered)
  and c.reltablespace = 0 and not c.relispartition
  and obj_description(c.oid, 'pg_class') is null
  and not exists (select from pg_attribute a join pg_type y on y.oid = a.atttypid where a.attrelid = c.oid
    and y.typnamespace <> 'pg_catalog'::regnamespace and y.typtype not in ('d', 'e'))
  and not exists (select from unnest(i.indkey::int2[]) with ordinality u (attnum, n)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = u.n
    left join pg_attribute o on o.attrelid = i.indrelid and o.attnum = u.attnum where a.attname is distinct from o.attname)
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
    and d.refclassid <> 'pg_class'::regclass)
order by c.relname`;

/**
 * Drops the table's plain indexes; a rollback leaves them untouched. Where somebody forbids it, all are kept, and that is
 * told.
 */
export async function dropPlainIndexes(step: Step): Promise<PlainIndex[]> {
  const { session, table, context } = step;
  const keepAll = ({ message }: ScaleSeedError): PlainIndex[] => {
    context.onNotice(`${table.name} is loaded with its indexes: ${message}`);
    return [];
  };
  const { rows: seen } = await session.query<FoundIndex>(PLAIN_INDEXES(table.oid));
  if (seen.length === 0) return [];
  // Who comments on an index, or sets its parameters, locks only that: what counts is how it is once that is through.
  const hold = [
    limitSql(BRIEFLY),
    ...seen.map((index) => index.hold),
    limitSql(String(seen[0]!.limitMs)),
    PLAIN_INDEXES(table.oid),
  ];
  const held = await tryDdl<FoundIndex>(session, hold.join(';\n'));
  if (held instanceof ScaleSeedError) return keepAll(held);
  const indexes = held.filter(({ name }) => seen.some((other) => other.name === name));
  if (indexes.length === 0) return [];
  const drop = `drop index ${indexes.map(({ name }) => quote(table.schema, name)).join(', ')}`;
  // Where event triggers might forbid to make them again, they are made first and undone.
  const trial = indexes[0]!.heard ? [drop, ...indexes.map(({ definition }) => definition), BEFORE_DDL] : [];
  const dropped = await tryDdl(session, [...trial, drop].join(';\n'));
  return dropped instanceof ScaleSeedError ? keepAll(dropped) : indexes;
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
async function tryDdl<R extends object>(session: Session, ddl: string): Promise<R[] | ScaleSeedError> {
  session.soon('savepoint ddl');
  let answer: R[] | ScaleSeedError;
  try {
    answer = (await session.query<R>(ddl)).rows;
  } catch (error) {
    if (!hasState(error, /^(?!08|40|53|57)/)) throw error;
    await session.query(BEFORE_DDL);
    answer = error;
  }
  // Released as that of a merge is.
  session.soon('release savepoint ddl');
  return answer;
}
