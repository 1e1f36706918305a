import type { Staging } from '../copy/staging.js';
import { castTo, columnOf, rowsOf } from '../table/inspect-table.js';
import { quote } from '../postgres/quote.js';
import { columnsOf, identityOf } from '../fixtures/fixture.js';
import type { OnTable } from '../run/step.js';
import { sameIdentity } from './expressions.js';
import { otherKeys, valueIn } from './unique-keys.js';

/**
 * Frees the unique keys of a fixture that its own rows hold in each other's place. PostgreSQL checks such a key row by
 * row, so rows that have swapped theirs cannot swap them back at once: those that hold another than their own give it up for
 * NULL, or, where there must be one, for a text that nobody has. It begins with their own, as a check constraint may want.
 * Returns the number of rows.
 */
export async function freeKeys(
  { session, fixture, table }: OnTable,
  { table: staging }: Staging,
): Promise<number> {
  const values: unknown[] = [];
  const shared = otherKeys(fixture, table).flat();
  const held = columnsOf(fixture)
    .filter((column) => column.kind !== 'constant' && !identityOf(fixture).includes(column.name))
    .filter(({ name }) => shared.some((column) => column.name === name))
    .map((column, i) => {
      const { category, notNull } = columnOf(table, column.name);
      const own = valueIn(table, column, values);
      const text = category === 'S' ? `${own} || '-' || gen_random_uuid()` : undefined;
      return {
        column: quote(column.name),
        own,
        freed: notNull ? text : castTo(table, column.name, 'null'),
        as: `free${i}`,
      };
    });
  const free = held.filter(({ freed }) => freed !== undefined);
  if (free.length === 0) return 0;
  return session.change(
    `update ${rowsOf(table)} as t
     set ${free.map(({ column, as }) => `${column} = s.${as}`).join(', ')}
     from (select s.*, ${free.map(({ freed, as }) => `${freed!} as ${as}`).join(', ')}
       from ${staging} as s) as s where ${sameIdentity(fixture, table)}
       and (${held.map(({ column, own }) => `t.${column} is distinct from ${own}`).join(' or ')})`,
    values,
  );
}
