import { messageOf } from '../errors.js';
import { quoteTable, type TableName } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { translateError } from '../postgres/translate-error.js';
import type { Database } from './with-database.js';

/**
 * Vacuums and analyzes tables that were just changed, so that neither autovacuum nor a planner without statistics
 * disturbs the measurement that follows. What stands is committed by now: where this fails, it is a notice.
 */
export async function settleTables(
  { signal, onEvent, onNotice }: Database,
  session: Session,
  tables: readonly TableName[],
): Promise<void> {
  session.onWarning((warning) => {
    onNotice(`settling: ${warning}`);
  });
  for (const table of tables) {
    onEvent({ type: 'settle', table: table.name });
    try {
      await session.query(`vacuum (analyze) ${quoteTable(table)}`);
    } catch (error) {
      if (signal.aborted)
        throw translateError(error, {
          phase: 'settle',
          state: 'everything is done and committed, but the tables are not vacuumed and analyzed',
        });
      onNotice(`${table.name} was not vacuumed: ${messageOf(error)}; the rows stand all the same`);
    }
  }
}
