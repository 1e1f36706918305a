import { ScaleSeedError } from '../errors.js';
import { formatCount } from '../report/units.js';
import type { TableName } from './quote.js';

/** Rows of unknown origin that a table may hold: certctl's demo has some fifty, a real fleet thousands. */
const MAX_STRANGERS = 1000;

/**
 * Refuses a table that looks like somebody's real fleet: more than {@link MAX_STRANGERS} rows that none of the known
 * fixtures made.
 *
 * @throws ScaleSeedError `guard`.
 */
export function refuseStrangers({ schema, name }: TableName, strangers: number): void {
  if (strangers <= MAX_STRANGERS) return;
  throw new ScaleSeedError(
    `${schema}.${name} holds ${formatCount(strangers)} rows that no known fixture made: this looks like a real fleet`,
    {
      code: 'guard',
      phase: 'prepare',
      table: `${schema}.${name}`,
      state: 'nothing was changed',
      hint: `check the database that you name; --force loads into one with more than ${formatCount(MAX_STRANGERS)} such rows`,
    },
  );
}
