import { messageOf, ScaleSeedError } from '../errors.js';
import { quoteTable, type TableName } from '../postgres/quote.js';
import type { RunContext } from './context.js';
import type { Sessions } from './sessions.js';

const NOT_SETTLED = 'everything is done and committed, but the tables are not vacuumed and analyzed';

/**
 * Vacuums and analyzes tables that were just changed, so that neither autovacuum nor a planner without statistics
 * disturbs the measurement that follows. What stands is committed by now: where this fails, it is a notice.
 */
export async function settleTables(
  { signal, onEvent, onNotice }: RunContext,
  sessions: Sessions,
  tables: readonly TableName[],
): Promise<void> {
  if (tables.length === 0) return;
  const session = await sessions.at(0);
  session.phase = 'settle';
  session.onWarning((warning) => {
    onNotice(`settling: ${warning}`);
  });
  for (const table of tables) {
    onEvent({ type: 'settle', table: table.name });
    try {
      await session.query(`vacuum (analyze) ${quoteTable(table)}`);
    } catch (error) {
      if (signal.aborted && error instanceof ScaleSeedError) throw error.with({ state: NOT_SETTLED });
      onNotice(`${table.name} was not vacuumed: ${messageOf(error)}; the rows stand all the same`);
    }
  }
}
