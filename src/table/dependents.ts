import type { Dependents } from '../report/result.js';
import { quote, quoteTable, type TableName } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';

type Table = TableName & { oid: number };

/** A foreign key that points at a table, and what a deletion there does to the row that holds it. */
interface Reference {
  child: Table;
  /** Its columns, of a row `t`, as SQL. */
  columns: string[];
  parentColumns: string[];
  action: 'cascade' | 'set null' | 'set default' | 'block';
}

/** Rows of other tables that a deletion touches, and those that forbid it. */
export interface Impact {
  dependents: Dependents[];
  blockers: { table: string; rows: number }[];
}

/** Rows of tables, by the tables' oids: the `t` of any of some FROM clauses, and how many that are. */
type RowsByTable = Map<number, { table: string; from: string[]; rows: number }>;

/** How often a chain of cascades is followed: every link nests a query in the next. */
const MAX_DEPTH = 10;

const REFERENCES = `
select json_build_object('oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname) as child,
  case k.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'block' end as action,
  -- Compared in the parent's collation, as the key itself has it.
  (select json_agg(format('t.%I', a.attname) || coalesce(' collate ' || nullif(nullif(p.attcollation, 0), 100)::regcollation, '')
      order by u.n)
    from unnest(k.conkey, k.confkey) with ordinality u (attnum, parent, n)
      join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum
      join pg_attribute p on p.attrelid = k.confrelid and p.attnum = u.parent) as columns,
  (select json_agg(a.attname order by u.n) from unnest(k.confkey) with ordinality u (attnum, n)
    join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum) as "parentColumns"
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and k.confrelid = $1::int8::oid and k.conparentid = 0
  and coalesce((to_jsonb(k)->>'conenforced')::bool, true)
order by n.nspname, c.relname, k.conname`;

/**
 * What deleting rows would do to the tables that reference them, cascades of cascades included. `doomed` is a FROM
 * clause that calls the rows `t`. Every row counts once, and one that goes along neither changes nor forbids anything:
 * PostgreSQL looks for what still refers after it has deleted. Where it looks before a cascade of cascades has come that
 * far, it refuses what is allowed here.
 */
export async function findImpact(session: Session, table: Table, doomed: string): Promise<Impact> {
  const touched: Record<Reference['action'], RowsByTable> = {
    cascade: new Map([[table.oid, { table: nameOf(table), from: [doomed], rows: 0 }]]),
    'set null': new Map(),
    'set default': new Map(),
    block: new Map(),
  };
  const rest = await followCascades(session, table, doomed, touched.cascade);
  for (const { child, action, from } of rest) {
    await addRows(session, touched[action], child, from, touched.cascade.get(child.oid)?.from);
  }
  return {
    dependents: [
      ...counts(touched.cascade).map((rows) => ({ ...rows, effect: 'deleted' as const })),
      ...counts(touched['set null']).map((rows) => ({ ...rows, effect: 'set null' as const })),
      ...counts(touched['set default']).map((rows) => ({ ...rows, effect: 'set default' as const })),
    ],
    blockers: counts(touched.block),
  };
}

/** Adds all rows that cascades delete to `deleted`, and returns the other references to any of them. */
async function followCascades(
  session: Session,
  table: Table,
  doomed: string,
  deleted: RowsByTable,
  depth = 1,
): Promise<(Reference & { from: string })[]> {
  const rest: (Reference & { from: string })[] = [];
  const { rows: references } = await session.query<Reference>(REFERENCES, [table.oid]);
  for (const reference of references) {
    const { child, columns, parentColumns, action } = reference;
    const parents = parentColumns.map((column) => `t.${quote(column)}`).join(', ');
    const from = `from ${quoteTable(child)} as t
      where (${columns.join(', ')}) in (select ${parents} ${doomed})`;
    if (action !== 'cascade') rest.push({ ...reference, from });
    else if ((await addRows(session, deleted, child, from)) > 0 && depth < MAX_DEPTH)
      rest.push(...(await followCascades(session, child, from, deleted, depth + 1)));
  }
  return rest;
}

/** Adds those rows of a table that are not there yet, nor among `others`; returns how many. */
async function addRows(
  session: Session,
  to: RowsByTable,
  table: Table,
  from: string,
  others: readonly string[] = [],
): Promise<number> {
  const known = to.get(table.oid) ?? { table: nameOf(table), from: [], rows: 0 };
  const rows = await countRows(session, from, [...known.from, ...others]);
  if (rows > 0) to.set(table.oid, { ...known, from: [...known.from, from], rows: known.rows + rows });
  return rows;
}

async function countRows(session: Session, from: string, except: readonly string[]): Promise<number> {
  const rest = [from, ...except].map((clause) => `select t.tableoid, t.ctid ${clause}`).join(' except ');
  const { rows } = await session.query<{ count: string }>(
    except.length === 0 ? `select count(*) ${from}` : `select count(*) from (${rest}) as rest`,
  );
  return Number(rows[0]?.count);
}

function counts(touched: RowsByTable): Impact['blockers'] {
  return [...touched.values()].filter(({ rows }) => rows > 0).map(({ table, rows }) => ({ table, rows }));
}

function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}
