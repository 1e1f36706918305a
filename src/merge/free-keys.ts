import type { Staging } from '../copy/staging.js';
import { columnOf, rowsOf, type TableInfo } from '../table/inspect-table.js';
import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { columnsOf, identityOf, type Fixture } from '../fixtures/fixture.js';
import { sameIdentity } from './expressions.js';
import { otherKeys, valueIn } from './unique-keys.js';

/** Types whose values can be made unique by what is put after them. */
const TEXT = /^(text|character varying(\(\d+\))?)$/;

/**
 * Frees the unique keys of a fixture that its own rows hold in each other's place. PostgreSQL checks such a key row by
 * row, so rows that have swapped theirs cannot swap them back at once: those that hold another than their own get one
 * that nobody has. It begins with their own, as a check constraint may want. Returns the number of rows.
 */
export async function freeKeys(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  { table: staging }: Staging,
): Promise<number> {
  const values: unknown[] = [];
  const shared = otherKeys(fixture, table).flat();
  const held = columnsOf(fixture)
    .filter((column) => column.kind !== 'constant' && !identityOf(fixture).includes(column.name))
    .filter(({ name }) => shared.some((column) => column.name === name))
    .map((column) => ({
      column: quote(column.name),
      type: columnOf(table, column.name).type,
      own: valueIn(table, column, values),
    }));
  const free = held.filter(({ type }) => TEXT.test(type));
  if (free.length === 0) return 0;
  const { rowCount } = await session.query(
    `update ${rowsOf(table)} as t set ${free.map(({ column }, i) => `${column} = s.free${i}`).join(', ')}
     from (select s.*, ${free.map(({ own }, i) => `${own} || '-' || gen_random_uuid() as free${i}`).join(', ')}
       from ${staging} as s) as s where ${sameIdentity(fixture, table)}
       and (${held.map(({ column, own }) => `t.${column} is distinct from ${own}`).join(' or ')})`,
    values,
  );
  return rowCount ?? 0;
}
