import type { Dependents } from '../report/result.js';
import { quoteList, quoteTable, type TableName } from './quote.js';
import type { Session } from './session.js';

/** A foreign key that points at a table, and what a deletion there does to the row that holds it. */
interface Reference {
  child: TableName & { oid: number };
  columns: string[];
  parentColumns: string[];
  action: 'cascade' | 'set null' | 'set default' | 'block';
}

/** Rows of other tables that a deletion touches, and those that forbid it. */
export interface Impact {
  dependents: Dependents[];
  blockers: { table: string; rows: number }[];
}

const REFERENCES = `
select json_build_object('oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname) as child,
  case k.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'block' end as action,
  (select json_agg(a.attname order by u.n) from unnest(k.conkey) with ordinality u (attnum, n)
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum) as columns,
  (select json_agg(a.attname order by u.n) from unnest(k.confkey) with ordinality u (attnum, n)
    join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum) as "parentColumns"
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and k.confrelid = $1::int8::oid and k.conparentid = 0
order by n.nspname, c.relname, k.conname`;

/**
 * What deleting rows would do to the tables that reference them, cascades of cascades included. `doomed` is a select
 * of whole rows of the table.
 */
export async function findImpact(
  session: Session,
  table: { oid: number },
  doomed: string,
  path: readonly number[] = [],
): Promise<Impact> {
  const impact: Impact = { dependents: [], blockers: [] };
  const { rows: references } = await session.query<Reference>(REFERENCES, [table.oid]);
  for (const { child, columns, parentColumns, action } of references) {
    const affected = `select c.* from ${quoteTable(child)} as c
      where (${quoteList(columns)}) in (select ${quoteList(parentColumns)} from (${doomed}) as doomed)`;
    const { rows: counts } = await session.query<{ count: string }>(
      `select count(*) from (${affected}) as affected`,
    );
    const rows = Number(counts[0]?.count);
    if (rows === 0) continue;
    const name = `${child.schema}.${child.name}`;
    if (action === 'block') impact.blockers.push({ table: name, rows });
    else impact.dependents.push({ table: name, rows, effect: action === 'cascade' ? 'deleted' : action });
    if (action !== 'cascade' || path.includes(child.oid)) continue;
    const deeper = await findImpact(session, child, affected, [...path, table.oid]);
    impact.dependents.push(...deeper.dependents);
    impact.blockers.push(...deeper.blockers);
  }
  return impact;
}
