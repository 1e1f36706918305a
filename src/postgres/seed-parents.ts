import type { ParentRow } from '../fixtures/fixture.js';
import { ALL_PARENTS } from '../fixtures/parents.js';
import { quote, quoteList } from './quote.js';

/** A statement, with its parameters, that inserts a parent, and leaves alone what already stands under one of its keys. */
export function insertParent({ table, values }: ParentRow, schema: string): [sql: string, values: unknown[]] {
  const columns = Object.keys(values);
  const parameters = columns.map((_, index) => `$${index + 1}`).join(', ');
  return [
    `insert into ${quote(schema, table)} (${quoteList(columns)}) values (${parameters}) on conflict do nothing`,
    Object.values(values).map(asParameter),
  ];
}

/** Gives a fresh database the parents that the shipped fixtures name. */
export async function seedParents(
  client: { query(sql: string, values?: unknown[]): Promise<unknown> },
  schema = 'public',
): Promise<void> {
  for (const parent of ALL_PARENTS) await client.query(...insertParent(parent, schema));
}

/** node-postgres writes an array as a PostgreSQL array; in a parent row it is JSON. */
function asParameter(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}
