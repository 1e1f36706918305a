import { during, hasState, refusal } from '../errors.js';
import type { Fixture, ParentRow } from '../fixtures/fixture.js';
import { literal, quote } from '../postgres/quote.js';
import { insertParent } from '../postgres/seed-parents.js';
import type { Session } from '../postgres/session.js';

/** Parents that the fixtures name and the database lacks, each once, in the order in which they must be made. */
export async function missingParents(
  session: Session,
  fixtures: readonly Fixture[],
  schema: string,
): Promise<ParentRow[]> {
  const parents = new Map(
    fixtures.flatMap((fixture) => fixture.parents.map((parent) => [parentId(parent), parent])),
  );
  const wanted = [...parents.values()];
  if (wanted.length === 0) return [];
  const values: string[] = [];
  const absences = wanted.map((parent, i) => absenceSql(parent, i, schema, values));
  const looking = session.query<{ absent: number }>(absences.join(' union all '), values);
  const { rows } = await looking.catch((error: unknown) => {
    const tables = [...new Set(wanted.map(({ table }) => table))];
    throw during(error, `cannot look for the parent rows in ${tables.join(', ')}`);
  });
  const absent = rows.map((row) => row.absent);
  return wanted.filter((_, i) => absent.includes(i));
}

/** What two fixtures mean by one parent: their labels may be the same all the same. */
function parentId({ table, key }: ParentRow): string {
  return [table, ...Object.entries(key).flat()].map(String).join('\0');
}

const IN_THE_WAY = {
  code: 'conflict',
  hint: 'another row holds a unique key of theirs, such as the name: change that row, or insert the parents yourself',
} as const;

/** Refuses parents that are missing, those that were to be created, too. */
export function refuseMissing(missing: readonly ParentRow[], wasCreating: boolean): void {
  if (missing.length === 0) return;
  const problem = wasCreating ? 'cannot be created' : 'are missing';
  throw refusal(
    `parent rows ${problem}: ${missing.map(parentLabel).join(', ')}`,
    'add --create-parents, start certctl-server with CERTCTL_DEMO_SEED=true, or --wait for it',
    { code: 'parents', phase: 'prepare', table: missing[0]?.table, ...(wasCreating ? IN_THE_WAY : {}) },
  );
}

/** Inserts parents, leaving alone what already stands under the same key; returns how many were inserted. */
export async function createParents(
  session: Session,
  parents: readonly ParentRow[],
  schema: string,
): Promise<number> {
  let created = 0;
  for (const parent of parents) {
    const { table } = parent;
    try {
      created += await session.change(...insertParent(parent, schema));
    } catch (error) {
      // The row that it refers to is not there: that was left out.
      const more = hasState(error, /^23503/) ? IN_THE_WAY : {};
      throw during(error, `cannot create a parent row in ${table}`, { table, ...more });
    }
  }
  return created;
}

/** A select of `i` where a parent is not there; what row security may hide is taken to be there. */
function absenceSql({ table, key }: ParentRow, i: number, schema: string, values: string[]): string {
  const matches = Object.entries(key).map(([column, value]) => `${quote(column)} = $${values.push(value)}`);
  const name = quote(schema, table);
  return `(select ${i} as absent where not exists (select from ${name} where ${matches.join(' and ')})
    and not row_security_active(${literal(name)}::regclass))`;
}

/** A parent row as messages name it. */
export function parentLabel({ table, key }: ParentRow): string {
  return `${table} ${Object.values(key).join('/')}`;
}
