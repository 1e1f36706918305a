import { ofRow, type Staging } from '../copy/staging.js';
import { hasState } from '../errors.js';
import { quote, quoteList } from '../postgres/quote.js';
import type { OnTable } from '../run/step.js';
import { rowsOf } from '../table/inspect-table.js';

/** The values that were to get into a table: staged rows `s`, and the SQL of every column, with its parameters. */
export interface Values extends OnTable {
  staging: Staging;
  columns: readonly { column: string; sql: string }[];
  values: unknown[];
  /** Set before the statement that may fail. */
  savepoint: string;
}

const PROBE = 'scale_seed_probe';

/**
 * An error with the column and the row that the table has refused, which PostgreSQL says of a COPY alone: tries the staged
 * values in an empty copy, column by column, then fewer rows. The transaction is to be rolled back afterwards.
 */
export async function nameMisfit(on: Values, error: unknown): Promise<unknown> {
  if (!hasState(error, /^(22|23514|42846)/)) return error;
  const { session, fixture, table, staging, columns } = on;
  await session.query(`rollback to savepoint ${quote(on.savepoint)}`);
  const names = quoteList(columns.map(({ column }) => column));
  await session.query(
    `create temp table ${quote(PROBE)} on commit drop as select ${names} from ${rowsOf(table)} with no data`,
  );
  const rows = staging.rows + 1 - staging.copiedFrom;
  // The planner computes what is constant, whichever column is asked for: those come first.
  const isConstant = ({ column }: { column: string }): boolean => Object.hasOwn(fixture.constants, column);
  const ordered = [...columns.filter(isConstant), ...columns.filter((one) => !isConstant(one))];
  for (const { column } of ordered) {
    if (await fits(on, column, rows, error.sqlState)) continue;
    // No value of that type gets into the column.
    if (error.sqlState.startsWith('42')) return ofRow(error, fixture, undefined, column);
    let [good, bad] = [0, rows];
    while (bad - good > 1) {
      const middle = Math.floor((good + bad) / 2);
      if (await fits(on, column, middle, error.sqlState)) good = middle;
      else bad = middle;
    }
    return ofRow(error, fixture, isConstant({ column }) ? undefined : staging.copiedFrom + good, column);
  }
  return error;
}

/** Whether the first `rows` staged rows get by in a column. */
async function fits(
  { session, staging, columns, values }: Values,
  column: string,
  rows: number,
  refusal: string | undefined,
): Promise<boolean> {
  // Each parameter has to be in the statement.
  const asked = values.length > 0 ? columns : columns.filter((one) => one.column === column);
  const all = asked.map((one) => `${one.sql} as ${quote(one.column)}`).join(', ');
  await session.query('savepoint probe');
  try {
    await session.query(
      `insert into ${quote('pg_temp', PROBE)} (${quote(column)})
       select v.${quote(column)} from (select ${all} from (select * from ${staging.table} limit ${rows}) as s) as v`,
      values,
    );
    return true;
  } catch (error) {
    if (!hasState(error, /^/)) throw error;
    await session.query('rollback to savepoint probe');
    return error.sqlState !== refusal;
  }
}
