import { refusal } from '../errors.js';
import { formatCount } from '../report/units.js';
import { nameOf } from '../report/table-name.js';
import type { TableInfo } from '../table/inspect-table.js';

/** Rows of unknown origin that a table may hold: certctl's demo has 32 and 13, a real fleet thousands. */
export const MAX_STRANGERS = 100;

/** Refuses a table with more than {@link MAX_STRANGERS} rows that no known fixture made, or rows that cannot be counted. */
export function refuseStrangers(table: TableInfo, strangers: number): void {
  const name = nameOf(table);
  const problem =
    strangers > MAX_STRANGERS
      ? `holds ${formatCount(strangers)} rows that no known fixture made: this looks like a real fleet`
      : table.rowsHidden
        ? 'may hold rows that row security hides from this role: nobody can tell whether it is a real fleet'
        : undefined;
  if (problem === undefined) return;
  const hint =
    'check that this is the database that you mean; --fixture FILE makes rows of your own known, --force loads into it all the same';
  throw refusal(`${name} ${problem}`, hint, { code: 'guard', phase: 'prepare', table: name });
}
