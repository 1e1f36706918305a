import { ScaleSeedError } from '../errors.js';
import { columnsOf, type Fixture } from '../fixtures/fixture.js';
import type { Privilege, TableInfo } from '../table/inspect-table.js';

/**
 * Holds a fixture against the table before its first row is sent.
 *
 * @throws ScaleSeedError `schema` for a column that is missing, generated, or wants a value and gets none;
 *   `privilege` where the role lacks one of those that it `needs`.
 */
export function checkTable(fixture: Fixture, table: TableInfo, needs: readonly Privilege[]): void {
  const filled = columnsOf(fixture).map(({ name }) => name);
  const problem =
    missing(filled, table) ??
    generated(filled, table) ??
    unfilled(filled, table) ??
    unprivileged(table, needs);
  if (problem === undefined) return;
  throw new ScaleSeedError(`fixture ${fixture.name}: ${problem.text}`, {
    code: problem.code,
    phase: 'prepare',
    fixture: fixture.name,
    table: `${table.schema}.${table.name}`,
    state: 'nothing was changed',
    hint: problem.hint,
  });
}

interface Problem {
  text: string;
  code: 'schema' | 'privilege';
  hint: string;
}

function missing(filled: readonly string[], { name, columns }: TableInfo): Problem | undefined {
  const absent = filled.filter((column) => !columns.some((existing) => existing.name === column));
  if (absent.length === 0) return undefined;
  return {
    text: `table ${name} has no column ${absent.join(', ')}`,
    code: 'schema',
    hint: 'migrate the database to a version of certctl that has it',
  };
}

function generated(filled: readonly string[], { name, columns }: TableInfo): Problem | undefined {
  const fixed = columns.filter((column) => column.generated && filled.includes(column.name));
  if (fixed.length === 0) return undefined;
  return {
    text: `table ${name} makes column ${fixed.map((column) => column.name).join(', ')} itself`,
    code: 'schema',
    hint: 'leave the column out of the fixture',
  };
}

function unfilled(filled: readonly string[], { name, columns }: TableInfo): Problem | undefined {
  const wanting = columns.filter(
    (column) =>
      column.notNull &&
      column.default === null &&
      !column.generated &&
      !column.identity &&
      !filled.includes(column.name),
  );
  if (wanting.length === 0) return undefined;
  return {
    text: `table ${name} wants a value in column ${wanting.map((column) => column.name).join(', ')}`,
    code: 'schema',
    hint: 'this certctl is newer than the fixture: give the column a default, or update scale-seed',
  };
}

function unprivileged({ name, privileges }: TableInfo, needs: readonly Privilege[]): Problem | undefined {
  const lacking = needs.filter((privilege) => !privileges[privilege]);
  if (lacking.length === 0) return undefined;
  return {
    text: `the role may not ${lacking.join(' or ')} on ${name}`,
    code: 'privilege',
    hint: `grant ${lacking.join(', ')} on ${name} to the role`,
  };
}
