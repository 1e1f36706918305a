import { ScaleSeedError } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { markCondition } from './marks.js';
import { quoteTable, type TableName } from './quote.js';
import type { Session } from './session.js';

/** Rows of unknown origin that a table may hold: certctl's demo has some fifty, a real fleet thousands. */
const MAX_FOREIGN_ROWS = 1000;

/**
 * Refuses a table that looks like somebody's real fleet: more rows than {@link MAX_FOREIGN_ROWS} that none of the
 * known fixtures made.
 *
 * @throws ScaleSeedError `guard`.
 */
export async function guardTable(
  session: Session,
  table: TableName,
  known: readonly Fixture[],
): Promise<void> {
  const values: unknown[] = [];
  const marks = known
    .filter((fixture) => fixture.table === table.name)
    .map(({ mark }) => markCondition(mark, values));
  const { rows } = await session.query<{ foreign_rows: string }>(
    `select count(*) as foreign_rows from (
       select from ${quoteTable(table)} where not (${marks.join(' or ') || 'false'}) limit ${MAX_FOREIGN_ROWS + 1}
     ) as unknown_origin`,
    values,
  );
  if (Number(rows[0]?.foreign_rows) <= MAX_FOREIGN_ROWS) return;
  throw new ScaleSeedError(
    `${table.schema}.${table.name} holds more than ${MAX_FOREIGN_ROWS} rows that no known fixture made: this looks like a real fleet`,
    {
      code: 'guard',
      phase: 'prepare',
      table: `${table.schema}.${table.name}`,
      state: 'nothing was changed',
      hint: 'check the database that you name; --force loads into it all the same',
    },
  );
}
