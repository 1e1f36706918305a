import { literal, quoteList } from '../postgres/quote.js';
import { encoderFor, stagingType } from '../fixtures/column-types.js';
import { ANCHORED, columnsOf, identityOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import { withoutLength } from '../merge/expressions.js';

/**
 * The way of the harness that scale-seed replaces: one statement that never leaves the server, an INSERT of what
 * generate_series counts. `table` is the target as SQL, `cast` what a column of it needs where it is not of the fixture's
 * type. Undefined for a fixture without formulas.
 */
export function insertSeries(
  fixture: Fixture,
  table: string,
  cast = (column: string, sql: string): string => sql,
): string | undefined {
  const { formulas, count } = fixture;
  if (formulas === undefined) return undefined;
  const columns = columnsOf(fixture);
  const values = columns.map((column) => valueSql(column, formulas, cast));
  return `insert into ${table} (${quoteList(columns.map(({ name }) => name))})
select ${values.join(',\n  ')}
from generate_series(1, ${count}) as g
on conflict (${quoteList(identityOf(fixture))}) do nothing`;
}

/** Times hang on now(), as they do in the published way. */
function valueSql(
  column: FixtureColumn,
  formulas: Readonly<Record<string, string>>,
  cast: (column: string, sql: string) => string,
): string {
  const sql = plainSql(column, formulas);
  return column.type === ANCHORED ? `now() + ${sql}` : cast(column.name, sql);
}

function plainSql(column: FixtureColumn, formulas: Readonly<Record<string, string>>): string {
  if (column.kind === 'varying') return `(${formulas[column.name] ?? ''})`;
  if (column.kind === 'derived') {
    const from = `(${formulas[column.from] ?? ''})`;
    return column.wrap === 'array' ? `array[${from}]` : from;
  }
  const text = encoderFor(column.type)(column.value);
  return `${text === null ? 'null' : literal(text)}::${withoutLength(stagingType(column.type))}`;
}
