import type { Staging } from '../copy/staging.js';
import { hasState } from '../errors.js';
import { castTo, columnOf, rowsOf } from '../table/inspect-table.js';
import { findReferences } from '../table/references.js';
import { quote } from '../postgres/quote.js';
import { columnsOf, identityOf } from '../fixtures/fixture.js';
import type { OnTable, Step } from '../run/step.js';
import { hasForms } from './compare.js';
import { sameIdentity, valuesOnAnchor } from './expressions.js';
import { isKeyTaken } from './merge.js';
import { nameMisfit } from './misfit.js';
import type { StepKeys } from './keys.js';
import { restColumns } from './rest-columns.js';
import { otherKeys, valueIn } from './unique-keys.js';

/** Gives standing rows the fixture's values, and other columns their defaults. Returns the number of rows. */
export async function restoreRows(step: Step, staged: Staging): Promise<number> {
  const { session, fixture, table, server } = step;
  const computed = await computedAnew(step);
  const values: unknown[] = [];
  const identity = identityOf(fixture);
  const columns = valuesOnAnchor(fixture, table, server.anchor, values);
  const assignments = [
    ...columns
      // A key that was found by another form of it is given its own; Citus changes no value by which it spreads rows.
      .filter(
        ({ column }) => !identity.includes(column) || (hasForms(table, column) && column !== table.shardedBy),
      )
      .map(({ column }) => `${quote(column)} = s.${quote(column)}`),
    ...restColumns(fixture, table).fixed.map(({ column }) => `${quote(column)} = default`),
    ...computed.map((column) => `${quote(column)} = default`),
  ];
  // A row that is nothing but its key is as it was, and is counted all the same.
  if (assignments.length === 0)
    assignments.push(...identity.map((column) => `${quote(column)} = t.${quote(column)}`));
  const source = columns.map(
    ({ column, sql }) => `${identity.includes(column) ? `s.${quote(column)}` : sql} as ${quote(column)}`,
  );
  // Computed before the update: of the functions that it calls itself, Citus wants that they are immutable.
  const update = `update ${rowsOf(table)} as t set ${assignments.join(', ')}
    from (select ${source.join(', ')} from ${staged.table} as s) as s where ${sameIdentity(fixture, table)}`;
  await session.query('savepoint restore');
  try {
    return await session.change(update, values);
  } catch (error) {
    if (!isKeyTaken(error))
      throw await nameMisfit({ ...step, staging: staged, columns, values, savepoint: 'restore' }, error);
    await session.query('rollback to savepoint restore');
    const freed = await freeKeys(step, staged).catch((refusal: unknown) => {
      // Refused for a value or a row that it holds.
      throw hasState(refusal, /^2[23]/) ? error : refusal;
    });
    if (freed === 0) throw error;
    return session.change(update, values);
  }
}

/** The columns whose default is computed anew for every row, but for those that others refer to; says which stay. */
async function computedAnew({ session, fixture, table, tell }: Step): Promise<string[]> {
  const computed = restColumns(fixture, table).computed.filter((column) => {
    const { generated, identity } = columnOf(table, column);
    return identity || !generated;
  });
  if (computed.length === 0) return [];
  const references = await findReferences(session, table);
  const referred = new Set(references.flatMap(({ parentColumns }) => parentColumns));
  // Citus computes no such default in an update of several shards.
  const kept = computed.filter((column) => table.distributed || referred.has(column));
  if (kept.length > 0) tell(`columns with computed defaults stay as they were: ${kept.join(', ')}`);
  return computed.filter((column) => !kept.includes(column));
}

/**
 * Frees the unique keys of a fixture that its own rows hold in each other's place. PostgreSQL checks such a key row by
 * row, so rows that have swapped theirs cannot swap them back at once: those that hold another than their own give it up for
 * NULL, or, where there must be one, for a text that nobody has. It begins with their own, as a check constraint may want.
 */
async function freeKeys({ session, fixture, table }: OnTable, { table: staging }: Staging): Promise<number> {
  const values: unknown[] = [];
  const shared = otherKeys(fixture, table).flatMap(({ columns }) => columns);
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

/**
 * Has the standing rows refer to nothing but what the fixture says: what hangs on them, and is to go, may be what a column
 * that the fixture leaves alone refers to.
 */
export async function releaseReferences({ session, fixture, table }: Step, keys: StepKeys): Promise<void> {
  const referring = new Set(table.foreignKeys.flatMap(({ columns }) => columns));
  const held = restColumns(fixture, table).fixed.filter(({ column }) => referring.has(column));
  if (held.length === 0) return;
  const assignments = held.map(({ column }) => `${quote(column)} = default`);
  const changed = held.map(({ column, sql }) => `t.${quote(column)} is distinct from ${sql}`);
  await session.query(
    `update ${rowsOf(table)} as t set ${assignments.join(', ')}
     where ${keys.hold(identityOf(fixture).map((column) => `t.${quote(column)}`))} and (${changed.join(' or ')})`,
  );
}
