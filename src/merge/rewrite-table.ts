import { quote, quoteTable } from '../postgres/quote.js';
import type { Step } from '../run/step.js';
import { tryDdl } from './try-ddl.js';

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
  const { rows } = await session.query<{ name: string; type: string }>(COLUMN, [table.oid]);
  const [column] = rows;
  if (column === undefined) return;
  const name = quote(column.name);
  // An expression that is no mere column to the planner: the values stay, but every row is written anew.
  const same = `case when clock_timestamp() is null then null else ${name} end`;
  const alter = `alter table ${quoteTable(table)} alter column ${name} type ${column.type} using ${same}`;
  await tryDdl(session, alter);
}
