import type { Dependents, RowsOf } from '../report/result.js';
import { quote } from '../postgres/quote.js';
import { nameOf } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';
import { rowId } from './citus.js';
import type { Keys } from './keys.js';
import { childRows, findFilled, type Reference, type Table } from './references.js';

/** Rows of a table that are to go. */
export interface Roots {
  table: Table;
  /** A FROM clause, with a WHERE, that calls them `t`. */
  from: string;
  /** The condition by which a row `t` of their table is one of them. */
  own?: string;
  /** The columns of their key, and the condition by which others refer to it; the rows themselves need not exist for that. */
  key?: { columns: readonly string[] } & Keys;
  /** Rows `t` of other tables, by the name of the table, that are none of theirs whatever they refer to. */
  except?: ReadonlyMap<string, string>;
  /** Rows that will have gone before; what goes with these is added. */
  gone?: RowsByTable;
}

/** Further rows that a deletion touches, and those that forbid it. */
export interface Impact {
  dependents: Dependents[];
  blockers: RowsOf[];
  /** The foreign keys that point at the rows' table, of tables that may hold any row. */
  references: Reference[];
  /** Tables that may hold more of them and that the role may not read all of. */
  unread: string[];
  deleted: RowsByTable;
}

/** Rows of tables, by the tables' oids: the `t` of any of some FROM clauses, and how many that are. */
export type RowsByTable = Map<number, { table: string; from: string[]; rows: number }>;

/** How often a chain of cascades is followed: every link nests a query in the next. */
const MAX_DEPTH = 10;

/**
 * What deleting rows would do to the tables that refer to them, cascades of cascades included. Every row counts once,
 * and one that goes along neither changes nor forbids anything: PostgreSQL looks for what still refers after it has
 * deleted. Where it looks before a cascade of cascades has come that far, it refuses what is allowed here.
 */
export async function findImpact(session: Session, roots: Roots): Promise<Impact> {
  const references = await findFilled(session, roots.table);
  const impact = await impactOf(session, roots, references);
  remember(roots, impact);
  return impact;
}

/** What would go with rows if every foreign key to them said cascade. */
export async function findHanging(session: Session, roots: Roots): Promise<Impact> {
  const references = await findFilled(session, roots.table);
  const hanging = references.map((reference) => ({ ...reference, action: 'cascade' as const }));
  const impact = await impactOf(session, roots, hanging);
  impact.deleted.delete(roots.table.oid);
  remember(roots, impact);
  return { ...impact, references };
}

function remember({ gone }: Roots, { deleted }: Impact): void {
  if (gone !== undefined) for (const [oid, rows] of deleted) gone.set(oid, { ...rows, rows: 0 });
}

/** A condition that holds for the rows `t` of a reference's table that refer to roots: those that refer to one another do not count. */
export function refersTo(reference: Reference, roots: Roots): string {
  const { child } = reference;
  const others = child.schema === roots.table.schema ? roots.except?.get(child.name) : undefined;
  const own = child.oid === roots.table.oid ? roots.own : undefined;
  const rest = [others, own].filter((rows) => rows !== undefined).map((rows) => ` and (${rows}) is not true`);
  return `${holdKey(reference, roots) ?? refersToRows(reference, roots)}${rest.join('')}`;
}

function refersToRows({ columns, parentColumns, period }: Reference, roots: Roots): string {
  const parents = parentColumns.map((column) => `t.${quote(column)}`).join(', ');
  if (!period) return `(${columns.join(', ')}) in (select ${parents} ${roots.from})`;
  const names = columns.map((_, index) => `p${index}`);
  const last = columns.length - 1;
  const same = columns.map((column, index) => `p.p${index} ${index === last ? '&&' : '='} ${column}`);
  return `exists (select from (select ${parents} ${roots.from}) as p (${names.join(', ')}) where ${same.join(' and ')})`;
}

/** The same where the roots' key is what is referred to. */
export function holdKey({ columns, parentColumns, period }: Reference, { key }: Roots): string | undefined {
  if (period) return undefined;
  if (key?.columns.length !== parentColumns.length) return undefined;
  const places = key.columns.map((column) => parentColumns.indexOf(column));
  return places.includes(-1) ? undefined : key.hold(places.map((place) => columns[place]!));
}

async function impactOf(session: Session, roots: Roots, references: Reference[]): Promise<Impact> {
  const { table, from, gone } = roots;
  const deleted: RowsByTable = new Map(gone ?? []);
  deleted.set(table.oid, {
    table: nameOf(table),
    from: [...(gone?.get(table.oid)?.from ?? []), from],
    rows: 0,
  });
  const touched: Record<Reference['action'], RowsByTable> = {
    cascade: deleted,
    'set null': new Map(),
    'set default': new Map(),
    block: new Map(),
  };
  const unread = new Set<string>();
  const rest = await followCascades(session, roots, references, { deleted, unread });
  for (const { child, action, from } of rest) {
    const others = [deleted, ...(action === 'set default' ? [touched['set null']] : [])];
    await addRows(session, touched[action], { child, from }, others);
  }
  return {
    dependents: (['cascade', 'set null', 'set default'] as const).flatMap((action) => {
      const effect = action === 'cascade' ? 'deleted' : action;
      return counts(touched[action]).map((rows) => ({ ...rows, effect }));
    }),
    blockers: counts(touched.block),
    references,
    unread: [...unread],
    deleted,
  };
}

/** A foreign key, and a FROM clause of the rows that refer by it. */
type Referring = Reference & { from: string };

/** Adds all rows that cascades delete to `deleted`, and returns the other references to any of them that can be read. */
async function followCascades(
  session: Session,
  roots: Roots,
  references: readonly Reference[],
  found: { deleted: RowsByTable; unread: Set<string> },
  depth = 1,
): Promise<Referring[]> {
  const rest: Referring[] = [];
  for (const reference of references) {
    const { action } = reference;
    // What refers to a table of Citus's is one, too.
    const child = { ...reference.child, distributed: roots.table.distributed };
    const from = `from ${childRows(child)} as t where ${refersTo(reference, roots)}`;
    if (!reference.mayRead) found.unread.add(nameOf(child));
    else if (action !== 'cascade') rest.push({ ...reference, child, from });
    else if ((await addRows(session, found.deleted, { child, from })) > 0 && depth < MAX_DEPTH) {
      const next = { table: child, from };
      const further = await findFilled(session, child);
      rest.push(...(await followCascades(session, next, further, found, depth + 1)));
    }
  }
  return rest;
}

/** Adds those rows of a table that are not there yet, nor among `others`; returns how many. */
async function addRows(
  session: Session,
  to: RowsByTable,
  { child, from }: Pick<Referring, 'child' | 'from'>,
  others: readonly RowsByTable[] = [],
): Promise<number> {
  const known = to.get(child.oid) ?? { table: nameOf(child), from: [], rows: 0 };
  const except = [to, ...others].flatMap((rows) => rows.get(child.oid)?.from ?? []);
  const rest = [from, ...except].map((clause) => `select ${rowId(child)} ${clause}`).join(' except ');
  const rows = await session.count(except.length === 0 ? from : `from (${rest}) as rest`);
  if (rows > 0) to.set(child.oid, { ...known, from: [...known.from, from], rows: known.rows + rows });
  return rows;
}

function counts(touched: RowsByTable): RowsOf[] {
  const counted = [...touched.values()].filter(({ rows }) => rows > 0);
  return counted.map(({ table, rows }) => ({ table, rows })).sort((a, b) => (a.table < b.table ? -1 : 1));
}
