import { columnsOf, identityOf, type Fixture } from '../fixtures/fixture.js';
import { columnValue, valueOn } from '../merge/expressions.js';
import { quoteList } from '../postgres/quote.js';

/**
 * The harness's own way: one INSERT of what generate_series counts. `table` is SQL, `cast` what a column of it needs where it
 * is not of the fixture's type. Undefined for a fixture without formulas.
 */
export function insertSeries(
  fixture: Fixture,
  table: string,
  cast = (column: string, sql: string): string => sql,
): string | undefined {
  const { formulas, count } = fixture;
  if (formulas === undefined) return undefined;
  const columns = columnsOf(fixture);
  // Times hang on now(), as they do in the published way.
  const values = columns
    .map((column) => columnValue(column, undefined, (name) => `(${formulas[name] ?? ''})`))
    .map((value) => (value.anchored ? valueOn('now()', value) : cast(value.column, value.sql)));
  return `insert into ${table} (${quoteList(columns.map(({ name }) => name))})
select ${values.join(',\n  ')}
from generate_series(1, ${count}) as g
on conflict (${quoteList(identityOf(fixture))}) do nothing`;
}
