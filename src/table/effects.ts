import type { Dependents } from '../report/result.js';
import { quoteTable } from '../postgres/quote.js';
import { nameOf, type TableName } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';
import type { Roots } from './dependents.js';

/** A table that a deletion may reach, and how many of its rows the session has deleted. */
interface Reached extends TableName {
  oid: string;
  isRoot: boolean;
  deleted: string;
  /** How many it has inserted, of a table without partitions: into those rows move as well. */
  inserted: string;
  /** What a foreign key may have done to rows that stay, of a table whose rows the role may read. */
  changes: 'set null' | 'set default' | null;
  /** The counters are kept. */
  counts: boolean;
}

/** The session's own counters, which hear of what cascades and triggers do; rows of earlier transactions may be among them. */
const REACHED = `
with recursive reached (oid) as (
  select $1::int8::oid
  union select next.oid from reached, lateral (
    select k.conrelid as oid from pg_constraint k where k.confrelid = reached.oid and k.contype = 'f'
    union all select relid from pg_partition_tree(reached.oid)) as next)
select c.oid::int8 as oid, n.nspname as schema, c.relname as name, c.oid = $1::int8::oid as "isRoot",
  -- A row that moves from one partition to another is deleted from the one and inserted into the other.
  coalesce((select sum(pg_stat_get_xact_tuples_deleted(p.relid) - pg_stat_get_xact_tuples_inserted(p.relid))
      from pg_partition_tree(c.oid) p where p.isleaf),
    pg_stat_get_xact_tuples_deleted(c.oid)) as deleted,
  case c.relkind when 'p' then 0 else pg_stat_get_xact_tuples_inserted(c.oid) end as inserted,
  case when has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
    then (select case max(k.confdeltype) when 'n' then 'set null' when 'd' then 'set default' end from pg_constraint k
      where k.conrelid = c.oid and k.contype = 'f' and k.confdeltype in ('n', 'd') and k.confrelid in (table reached))
  end as changes, current_setting('track_counts')::bool as counts
from reached join pg_class c using (oid) join pg_namespace n on n.oid = c.relnamespace
where not exists (select from pg_inherits i where i.inhrelid = c.oid and c.relispartition
  and i.inhparent in (table reached)) order by 2, 3`;

/**
 * A condition that holds for rows `t` that the transaction itself has written, by whatever savepoint. A transaction id below
 * its own is somebody else's. From there on a row that can be seen though its writer has not ended was written here, and so
 * was one whose id the snapshot did not know yet. An id far in the future is one of an earlier round: the row is frozen.
 */
const WRITTEN = `case
  when age(t.xmin) > 0 or own.id - age(t.xmin) > own.next + 1000000 then false
  when own.id - age(t.xmin) >= own.next then true
  else pg_xact_status((own.id - age(t.xmin))::text::xid8) = 'in progress' end`;

/** What a deletion of so many rows has done to other rows; where nobody can say, what was foreseen. */
type TellEffects = (rows: number, foreseen: readonly Dependents[]) => Promise<Dependents[]>;

/** To be called before a deletion; then tells, by the server's own account, what became of tables that refer to it. */
export async function watchEffects(session: Session, { table, own }: Roots): Promise<TellEffects> {
  // Citus does it on its workers.
  if (table.distributed === true) return (_rows, foreseen) => Promise.resolve([...foreseen]);
  const before = await findReached(session, table);
  return async (rows, foreseen) => {
    const reached = await findReached(session, table);
    const since = (of: 'deleted' | 'inserted'): number[] =>
      reached.map((now) => Number(now[of]) - Number(before.find(({ oid }) => oid === now.oid)?.[of] ?? 0));
    const deleted = since('deleted');
    const inserted = since('inserted');
    const root = reached.findIndex(({ isRoot }) => isRoot);
    // Somebody has switched the counters off.
    if (deleted[root]! < rows || !reached.every(({ counts }) => counts)) return [...foreseen];
    deleted[root]! -= rows;
    const changed = await countWritten(session, reached, own);
    const effects = reached.flatMap((one, i): Dependents[] => {
      const name = nameOf(one);
      return [
        { table: name, rows: deleted[i]!, effect: 'deleted' },
        ...changesOf(
          { table: name, rows: changed[i]! - inserted[i]!, effect: one.changes ?? 'set null' },
          foreseen,
        ),
      ];
    });
    const placeOf = ({ table: name, effect }: Dependents): number =>
      foreseen.findIndex((one) => one.table === name && one.effect === effect) + 1 || Infinity;
    return effects.filter((one) => one.rows > 0).sort((a, b) => placeOf(a) - placeOf(b) || 0);
  };
}

/** What of a table was changed; where keys of both kinds may have done that, as was foreseen of as many rows. */
function changesOf(changed: Dependents, foreseen: readonly Dependents[]): Dependents[] {
  const alike = foreseen.filter(({ table, effect }) => table === changed.table && effect !== 'deleted');
  return alike.reduce((sum, { rows }) => sum + rows, 0) === changed.rows ? alike : [changed];
}

async function findReached(session: Session, { oid }: Roots['table']): Promise<Reached[]> {
  return (await session.query<Reached>(REACHED, [oid])).rows;
}

/** How many rows of each table the transaction has written that stay, its `roots` apart; none of those on which no key has such an effect. */
async function countWritten(
  session: Session,
  reached: readonly Reached[],
  roots = 'false',
): Promise<number[]> {
  const counts = reached.map((table) => {
    const others = table.isRoot ? ` and (${roots}) is not true` : '';
    return table.changes === null
      ? '0'
      : `(select count(*) from own, ${quoteTable(table)} as t where ${WRITTEN}${others})`;
  });
  const written = await session.first<{ counts: string[] }>(
    `with own as materialized (select pg_current_xact_id()::text::int8 as id,
       pg_snapshot_xmax(pg_current_snapshot())::text::int8 as next)
     select array[${counts.join(', ')}]::text[] as counts`,
  );
  return written!.counts.map(Number);
}
