import type { Staging } from '../copy/staging.js';
import { castTo, columnOf, rowsOf, type TableInfo } from '../table/inspect-table.js';
import { markCondition } from '../table/marks.js';
import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { identityOf } from '../fixtures/fixture.js';
import type { ColumnDrift, VerifiedFixture } from '../report/result.js';
import type { OnTable } from '../run/step.js';
import {
  anchorSql,
  countByAnchor,
  findMostTold,
  findUsual,
  rowAnchor,
  tellOwn,
  type Anchors,
} from './anchors.js';
import { columnValues, keyText, sameIdentity, valueOn } from './expressions.js';
import { restColumns } from './rest-columns.js';

interface Comparison extends Pick<
  VerifiedFixture,
  'unexpected' | 'driftedRows' | 'drift' | 'liveRows' | 'live' | 'notCompared'
> {
  missing: Omit<VerifiedFixture['missing'], 'blocked'>;
  ages: Anchors;
}

const EXAMPLES = 3;

/** When the standing rows were loaded or reset, and how stale they are by the server's clock. */
export async function findAnchors({ session, fixture, table }: OnTable, staged: Staging): Promise<Anchors> {
  const { compared } = await compareOnAnchors({ session, fixture, table, staged, live: [] });
  return compared.ages;
}

/** Holds a table against a staged fixture; what differs in `live` columns is told apart. Sets the planner from here on. */
export async function compareRows(
  { session, fixture, table }: OnTable,
  staged: Staging,
  live: readonly string[] = [],
): Promise<Comparison> {
  const on = { session, fixture, table, staged, live };
  const { usual, ...first } = await compareOnAnchors(on);
  let { compared } = first;
  const [missing = 0, driftedRows = 0, liveRows = 0] = compared.counts;
  // Most fleets have not drifted: to count column by column at once would take half as long again.
  if (differing(compared) > 0) compared = await countDrift(on, usual, true);
  const { checks, sql, values, ages } = compared;
  const rows = compared.counts.slice(3);

  const drift: ColumnDrift[] = [];
  for (const [i, { column }] of checks.entries()) {
    if (!rows[i]) continue;
    const { rows: examples } = await session.query<ColumnDrift['examples'][0]>(
      `select key, e${i}::text as expected, f${i}::text as found
       from (${sql}) as joined where stands and ${differs(i)} order by key limit ${EXAMPLES}`,
      values,
    );
    drift.push({ column, rows: rows[i], examples });
  }
  const absent = `select key from (${sql}) as joined where not stands`;
  return {
    missing: { rows: missing, examples: await someKeys(session, missing, absent, values) },
    unexpected: await unexpectedRows(on),
    driftedRows,
    drift: drift.filter(({ column }) => !live.includes(column)),
    liveRows,
    live: drift.filter(({ column }) => live.includes(column)),
    notCompared: restColumns(fixture, table).computed,
    ages,
  };
}

/** Counts what differs, with each row on the anchor that it tells, and the others on the usual one. */
async function compareOnAnchors(on: Compared) {
  // However few rows seem to differ, a loop over the staging table for each row of the table takes minutes.
  await on.session.query('set local enable_nestloop = off');
  // Where every row tells its own anchor, which one most rows tell need not be known first.
  const isTold = tellOwn(on);
  let usual = await findUsual(on, on.staged);
  let compared = await countDrift(on, usual, false);
  const holdOn = async (anchor: string | null): Promise<void> => {
    if (anchor === null || anchor === usual) return;
    usual = anchor;
    compared = await countDrift(on, usual, false);
  };
  if (isTold && compared.untold > 0) await holdOn(compared.ages.usual);
  // Whose anchor column has been changed tells another by the rest of its times.
  if (isTold && differing(compared) > 0) await holdOn(await findMostTold(on, on.staged));
  return { usual, compared };
}

const differing = ({ counts: [, drifted = 0, live = 0] }: { counts: number[] }): number => drifted + live;

const differs = (i: number): string => `f${i} is distinct from e${i}`;

/** One pass over all rows: how many are absent, have drifted, differ in a live column; then, if asked for, the same column by column. */
async function countDrift(on: Compared, usual: string | null, byColumn: boolean) {
  const values: unknown[] = [];
  const checks = checksOf(on, usual, values);
  const sql = joinedSql(on, checks, usual, values);
  const any = (isLive: boolean): string => {
    const own = checks.flatMap(({ column }, i) => (on.live.includes(column) === isLive ? differs(i) : []));
    return `stands and (${['false', ...own].join(' or ')})`;
  };
  const columns = byColumn ? checks.map((_, i) => `stands and ${differs(i)}`) : [];
  const conditions = ['not stands', any(false), any(true), ...columns];
  return { checks, sql, values, ...(await countByAnchor(on, sql, conditions, values)) };
}

interface Compared extends OnTable {
  staged: Staging;
  live: readonly string[];
}

interface ColumnCheck {
  column: string;
  expected: string;
  found: string;
}

/** Every column in which rows that were found by their key may differ, with its value as it should be on the row's anchor and as it is. */
function checksOf(on: Compared, usual: string | null, values: unknown[]): ColumnCheck[] {
  const { fixture, table } = on;
  const identity = identityOf(fixture);
  const columns = columnValues(fixture, values);
  const anchor = rowAnchor(on, usual, values);
  const own = columns.map((value) => ({ column: value.column, sql: valueOn(anchor, value) }));
  return [...own, ...restColumns(fixture, table).fixed]
    .filter(({ column }) => !identity.includes(column) || hasForms(table, column))
    .map(({ column, sql }) => {
      const { base } = columnOf(table, column);
      return {
        column,
        expected: comparable(base, castTo(table, column, sql)),
        found: comparable(base, `t.${quote(column)}`),
      };
    });
}

/** Types whose equality says whether two values are the same; numeric takes 1.5 for 1.50, jsonb does so within, and xml has none. */
const EXACT = /^(smallint|integer|bigint|boolean|date|uuid|bytea|timestamp)\b[^[]*$/;

/** A value of a type in a form that only the same value has. */
function comparable(base: string, sql: string): string {
  // As text it would lose the blanks at its end, which without a length are its own.
  if (base === 'bpchar') return `textin(bpcharout(${sql})) collate "C"`;
  // Only within an array would blanks that fill a text up to its length be compared.
  if (/^character\(\d+\)\[/.test(base)) return `(${sql})::text[]::text collate "C"`;
  // A collation of the column's own may take two texts for the same.
  return EXACT.test(base) ? sql : `(${sql})::text collate "C"`;
}

/** Whether values of a column that the key takes for the same may have several forms: texts are held to theirs. */
export function hasForms(table: TableInfo, column: string): boolean {
  const { base } = columnOf(table, column);
  return !EXACT.test(base) && !/^(text|character varying|character|name)\b[^[]*$/.test(base);
}

/** A row for every row of the fixture: its key, whether it stands, and e(xpected) and f(ound) for every check. */
function joinedSql(
  on: Compared,
  checks: readonly ColumnCheck[],
  usual: string | null,
  values: unknown[],
): string {
  const { fixture, table, staged } = on;
  const columns = [
    `${keyText(fixture, 's')} as key`,
    `t.${quote(identityOf(fixture)[0] ?? '')} is not null as stands`,
    anchorSql(on, values, usual),
    ...checks.map(({ expected, found }, i) => `${expected} as e${i}, ${found} as f${i}`),
  ];
  return `select ${columns.join(', ')}
    from ${staged.table} as s left join ${rowsOf(table)} as t on ${sameIdentity(fixture, table)}`;
}

/** Rows of the fixture's mark that are not in it; for a fleet that may grow they are nothing to wonder at. */
async function unexpectedRows(on: Compared): Promise<Comparison['unexpected']> {
  const { session, fixture, table, staged } = on;
  if (fixture.growable) return { rows: 0, examples: [] };
  const values: unknown[] = [];
  // Not by NOT EXISTS: Citus joins its tables with a temporary one, but not in a correlated subquery.
  const strangers = `from (select * from ${rowsOf(table)} where ${markCondition(fixture.mark, values)}) as t
    left join ${staged.table} as s on ${sameIdentity(fixture, table)}
    where s.${quote(identityOf(fixture)[0] ?? '')} is null`;
  const rows = await session.count(strangers, values);
  const keys = `select ${keyText(fixture, 't')} as key ${strangers}`;
  return { rows, examples: await someKeys(session, rows, keys, values) };
}

async function someKeys(session: Session, count: number, sql: string, values: unknown[]): Promise<string[]> {
  if (count === 0) return [];
  const { rows } = await session.query<{ key: string }>(`${sql} order by key limit ${EXAMPLES}`, values);
  return rows.map(({ key }) => key);
}
