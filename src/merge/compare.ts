import type { Staging } from '../copy/staging.js';
import { castTo, columnOf, rowsOf, type TableInfo } from '../table/inspect-table.js';
import { markCondition } from '../table/marks.js';
import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import type { ColumnDrift, VerifiedFixture } from '../report/result.js';
import { findAnchors, rowAnchor, type Anchors } from './anchors.js';
import { columnValues, keyText, sameIdentity, valueOn } from './expressions.js';
import { restColumns } from './rest-columns.js';

interface Comparison extends Pick<VerifiedFixture, 'unexpected' | 'driftedRows' | 'drift' | 'notCompared'> {
  missing: Omit<VerifiedFixture['missing'], 'blocked'>;
  ages: Anchors;
}

/** How many rows are shown for every kind of difference. */
const EXAMPLES = 3;

/**
 * Holds a table against a staged fixture, column by column: one pass that counts, then one that shows a few rows. Sets
 * the planner for the rest of the transaction.
 */
export async function compareRows(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  staged: Staging,
): Promise<Comparison> {
  // However few rows seem to differ, a loop over the staging table for each row of the table takes minutes.
  await session.query('set local enable_nestloop = off');
  const ages = await findAnchors(session, fixture, table, staged);
  const values: unknown[] = [];
  const checks = checksOf(fixture, table, ages.usual, values);
  const compared = comparedSql(fixture, table, staged, checks);
  const differs = checks.map((_, i) => `f${i} is distinct from e${i}`);
  const drifted = ['false', ...differs].join(' or ');
  const counted = [
    'count(*) filter (where absent) as missing',
    `count(*) filter (where not absent and (${drifted})) as drifted`,
    ...differs.map((differ, i) => `count(*) filter (where not absent and ${differ}) as c${i}`),
  ];
  const counts = await session.query<Record<string, string>>(
    `${compared} select ${counted.join(', ')} from compared`,
    values,
  );
  const count = (name: string): number => Number(counts.rows[0]?.[name]);

  const drift: ColumnDrift[] = [];
  for (const [i, { column }] of checks.entries()) {
    if (count(`c${i}`) === 0) continue;
    const { rows: examples } = await session.query<ColumnDrift['examples'][0]>(
      `${compared} select key, e${i}::text as expected, f${i}::text as found
       from compared where not absent and ${differs[i] ?? ''} order by key limit ${EXAMPLES}`,
      values,
    );
    drift.push({ column, rows: count(`c${i}`), examples });
  }
  return {
    missing: {
      rows: count('missing'),
      examples: await someKeys(
        session,
        count('missing'),
        `${compared} select key from compared where absent`,
        values,
      ),
    },
    unexpected: await unexpectedRows(session, fixture, table, staged),
    driftedRows: count('drifted'),
    drift,
    notCompared: restColumns(fixture, table).computed,
    ages,
  };
}

interface Check {
  column: string;
  expected: string;
  found: string;
}

/** Every column but those of the key, with its value as it should be on the row's anchor and as it is. */
function checksOf(fixture: Fixture, table: TableInfo, usual: string | null, values: unknown[]): Check[] {
  const identity = identityOf(fixture);
  const columns = columnValues(fixture, values);
  const anchor = rowAnchor(fixture, usual, values);
  const own = columns.map((value) => ({ column: value.column, sql: valueOn(anchor, value) }));
  return [...own, ...restColumns(fixture, table).fixed]
    .filter(({ column }) => !identity.includes(column))
    .map(({ column, sql }) => {
      const { type } = columnOf(table, column);
      return {
        column,
        expected: comparable(type, castTo(table, column, sql)),
        found: comparable(type, `t.${quote(column)}`),
      };
    });
}

/** Types whose equality says whether two values are the same; that of box
 * compares areas, that of interval takes a month for 30 days, and xml has none. */
const EXACT =
  /^(smallint|integer|bigint|numeric|real|double precision|boolean|date|uuid|bytea|jsonb|timestamp)\b[^[]*$/;

/** A value of a type in a form that only the same value has. */
function comparable(type: string, sql: string): string {
  // The white space of a json is nobody's business.
  if (type === 'json') return `(${sql})::jsonb`;
  // Only within an array would blanks that fill a text up to its length be compared.
  if (/^character\(\d+\)\[/.test(type)) return `(${sql})::text[]::text collate "C"`;
  // A collation of the column's own may take two texts for the same.
  return EXACT.test(type) ? sql : `(${sql})::text collate "C"`;
}

/** A row for every row of the fixture: its key, whether it is absent, and e(xpected) and f(ound) for every check. */
function comparedSql(fixture: Fixture, table: TableInfo, staged: Staging, checks: readonly Check[]): string {
  const columns = [
    `${keyText(fixture, 's')} as key`,
    `t.${quote(identityOf(fixture)[0] ?? '')} is null as absent`,
    ...checks.map(({ expected, found }, i) => `${expected} as e${i}, ${found} as f${i}`),
  ];
  return `with compared as (
    select ${columns.join(', ')}
    from ${staged.table} as s left join ${rowsOf(table)} as t on ${sameIdentity(fixture)})`;
}

/** Rows of the fixture's mark that are not in it; for a fleet that may grow they are nothing to wonder at. */
async function unexpectedRows(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  staged: Staging,
): Promise<Comparison['unexpected']> {
  if (fixture.growable) return { rows: 0, examples: [] };
  const values: unknown[] = [];
  // Not by NOT EXISTS: Citus joins its tables with a temporary one, but not in a correlated subquery.
  const strangers = `from (select * from ${rowsOf(table)} where ${markCondition(fixture.mark, values)}) as t
    left join ${staged.table} as s on ${sameIdentity(fixture)}
    where s.${quote(identityOf(fixture)[0] ?? '')} is null`;
  const counted = await session.query<{ count: string }>(`select count(*) ${strangers}`, values);
  const rows = Number(counted.rows[0]?.count);
  const keys = `select ${keyText(fixture, 't')} as key ${strangers}`;
  return { rows, examples: await someKeys(session, rows, keys, values) };
}

async function someKeys(session: Session, count: number, sql: string, values: unknown[]): Promise<string[]> {
  if (count === 0) return [];
  const { rows } = await session.query<{ key: string }>(`${sql} order by key limit ${EXAMPLES}`, values);
  return rows.map(({ key }) => key);
}
