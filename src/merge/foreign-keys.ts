import type { Staging } from '../copy/staging.js';
import { castTo, inspectTables, refuseMissingTable, type TableInfo } from '../table/inspect-table.js';
import { literal, quote, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { ScaleSeedError } from '../errors.js';
import { columnsOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import type { ForeignKeyCheck } from '../report/result.js';
import type { Step } from '../run/step.js';
import { columnValue } from './expressions.js';
import { restColumns } from './rest-columns.js';

type ForeignKey = TableInfo['foreignKeys'][0];

/**
 * How the merge will have its foreign keys checked. Their triggers lock every parent row once for every child row,
 * which at a million certificates is more than half of the merge (24.7 s against 10.7 s). Checking and locking every
 * distinct parent once gives the same guarantee, but silences the triggers by session_replication_role, so it is done
 * only where that silences nothing else.
 */
export function chooseForeignKeyCheck(
  fixture: Fixture,
  table: TableInfo,
  mayReplicate: boolean,
): ForeignKeyCheck {
  if (table.foreignKeys.length === 0 && !table.distributed)
    return { check: 'set', reason: `${table.name} has no foreign keys` };
  const obstacle = obstacleTo(fixture, table, mayReplicate);
  return obstacle === undefined
    ? { check: 'set', reason: 'every distinct parent was checked and locked once' }
    : { check: 'row', reason: obstacle };
}

/** Why a table's triggers may not be silenced: the role may not do it, or more than its foreign keys would be. */
export function obstacleToSilence(table: TableInfo, mayReplicate: boolean): string | undefined {
  const { name, userTriggers, rules } = table;
  if (table.distributed)
    return `Citus keeps ${name} on its workers, where session_replication_role does not reach`;
  if (!mayReplicate) return 'the role may not set session_replication_role';
  if (!table.plain) return `${name} is partitioned`;
  if (table.rowSecurity) return `${name} has row security`;
  if (userTriggers.length > 0) return `${name} has triggers of its own: ${userTriggers.join(', ')}`;
  return rules.length > 0 ? `${name} has rules: ${rules.join(', ')}` : undefined;
}

function obstacleTo(fixture: Fixture, table: TableInfo, mayReplicate: boolean): string | undefined {
  const { name, foreignKeys, deferrableKeys } = table;
  const obstacle = obstacleToSilence(table, mayReplicate);
  if (obstacle !== undefined) return obstacle;
  if (deferrableKeys.length > 0) return `${name} has deferrable keys: ${deferrableKeys.join(', ')}`;
  const unlockable = foreignKeys.find(
    ({ lockable, columns }) => !lockable && !columns.some((column) => isNull(fixture, table, column)),
  );
  if (unlockable !== undefined) return `the role may not lock rows of ${unlockable.parent.name}`;
  const special = foreignKeys.find((key) => !key.simple);
  if (special !== undefined) return `foreign key ${special.name} is of a special kind`;
  const own = foreignKeys.find(({ parent }) => parent.schema === table.schema && parent.name === name);
  if (own !== undefined) return `foreign key ${own.name} refers to ${name} itself`;
  const { computed } = restColumns(fixture, table);
  const unknown = foreignKeys.find(({ columns }) => columns.some((column) => computed.includes(column)));
  return unknown === undefined ? undefined : `the column of ${unknown.name} has a default that is computed`;
}

/**
 * Silences the foreign keys' triggers until the transaction ends, where that silences nothing else; {@link lockParents}
 * then has to take their place. Returns the table as it is now, and what was decided; that takes 2 ms.
 */
export async function takeOverForeignKeys(
  step: Step,
): Promise<{ table: TableInfo; foreignKeys: ForeignKeyCheck }> {
  const { session, fixture, table, server } = step;
  const before = chooseForeignKeyCheck(fixture, table, server.mayReplicate);
  if (before.check === 'row' || table.foreignKeys.length === 0) return { table, foreignKeys: before };
  const now = await holdStructure(step);
  const foreignKeys = chooseForeignKeyCheck(fixture, now, server.mayReplicate);
  if (foreignKeys.check === 'set') await silenceTriggers(session);
  return { table: now, foreignKeys };
}

/**
 * Returns the table as it is now. A trigger, rule, policy or foreign key, its own or one that points at it, may have been
 * added since it was first looked at: the lock keeps their makers away from here on, so that what the catalogue says
 * under it stays true. It asks for no more than the right to insert.
 */
export async function holdStructure(
  { session, table }: Step,
  lock: 'row exclusive' | 'exclusive' = 'row exclusive',
): Promise<TableInfo> {
  await session.query(`lock table ${quoteTable(table)} in ${lock} mode`);
  const tables = await inspectTables(session, [table.name], table.schema);
  return tables.get(table.name) ?? refuseMissingTable(table.name, table.schema);
}

/** Foreign keys' triggers do nothing from here on, nor do any others. */
export async function silenceTriggers(session: Session): Promise<void> {
  await session.query('set local session_replication_role = replica');
}

/** Triggers do their work again from here on: event triggers hear of the indexes that are built after the merge. */
export async function heedTriggers(session: Session): Promise<void> {
  await session.query('set local session_replication_role = origin');
}

/**
 * Checks that every distinct parent of the staged rows exists, and locks it as the foreign key's own trigger would,
 * so that it cannot go before the transaction ends. Keys that do not vary need that for the `first` batch only. All
 * keys in one statement: a round trip apiece would wait its turn behind the other fixtures' encoding.
 *
 * @throws ScaleSeedError `parents`.
 */
export async function lockParents(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  staged: Staging,
  first: boolean,
): Promise<void> {
  const values: unknown[] = [];
  const checks = table.foreignKeys
    .filter(({ columns }) => first || columns.some((column) => varies(fixture, column)))
    .filter(({ columns }) => !columns.some((column) => isNull(fixture, table, column)))
    .map((key) => missingParentsSql(fixture, table, staged, key, values));
  if (checks.length === 0) return;
  const { rows } = await session.query<{ key: string; missing: string }>(checks.join(' union all '), values);
  const key = table.foreignKeys.find(({ name }) => name === rows[0]?.key);
  if (key === undefined) return;
  const missing = rows.filter((row) => row.key === key.name).map((row) => row.missing);
  throw new ScaleSeedError(
    `fixture ${fixture.name}: ${key.parent.name} has no row ${missing.join(', ')}, to which ${key.columns.join(', ')} would refer`,
    {
      code: 'parents',
      phase: 'merge',
      fixture: fixture.name,
      table: `${table.schema}.${table.name}`,
      hint: 'insert the parent row: --create-parents adds those that the fixture describes',
    },
  );
}

/** A select that locks a foreign key's parents and returns a few that are missing. */
function missingParentsSql(
  fixture: Fixture,
  table: TableInfo,
  { table: staging }: Staging,
  { name, columns, parent, parentColumns, parentIsPartitioned }: ForeignKey,
  values: unknown[],
): string {
  const constant = !columns.some((column) => varies(fixture, column));
  // What the row will hold, which a numeric's scale may round, is what must have a parent.
  const wanted = columns.map(
    (column, i) => `${castTo(table, column, sourceSql(fixture, table, column, values))} as k${i}`,
  );
  // Rows of tables that inherit from the parent do not count as its own.
  const parents = `${parentIsPartitioned ? '' : 'only '}${quoteTable(parent)}`;
  const same = parentColumns.map((column, i) => `p.${quote(column)} = w.k${i}`).join(' and ');
  return `(with wanted as materialized (
         select distinct ${wanted.join(', ')} from ${constant ? '(select) as s' : `${staging} as s`}),
       locked as materialized (
         select ${parentColumns.map((column) => `p.${quote(column)}`).join(', ')} from ${parents} as p where exists (select from wanted as w where ${same})
         for key share)
     select ${literal(name)} as key, concat_ws('/', ${columns.map((_, i) => `w.k${i}`).join(', ')}) as missing
     from wanted as w
     where ${columns.map((_, i) => `w.k${i} is not null`).join(' and ')}
       and not exists (select from locked as p where ${same})
     order by 2 limit 5)`;
}

/** Where a foreign key's column gets its value: from the fixture, or from a default that is the same for all rows. */
function sourceSql(fixture: Fixture, table: TableInfo, name: string, values: unknown[]): string {
  const column = columnOf(fixture, name);
  return column === undefined ? defaultOf(fixture, table, name) : columnValue(column, values).sql;
}

function varies(fixture: Fixture, name: string): boolean {
  const kind = columnOf(fixture, name)?.kind;
  return kind === 'varying' || kind === 'derived';
}

/** A row without a value in one column of a key refers to nothing. */
function isNull(fixture: Fixture, table: TableInfo, name: string): boolean {
  return columnOf(fixture, name) === undefined && defaultOf(fixture, table, name) === 'NULL';
}

function columnOf(fixture: Fixture, name: string): FixtureColumn | undefined {
  return columnsOf(fixture).find((column) => column.name === name);
}

function defaultOf(fixture: Fixture, table: TableInfo, name: string): string {
  return restColumns(fixture, table).fixed.find(({ column }) => column === name)?.sql ?? 'NULL';
}

/** One answer for several transactions: by set only where that holds for every one of them. */
export function summarizeChecks(checks: readonly ForeignKeyCheck[]): ForeignKeyCheck {
  const byRow = checks.filter(({ check }) => check === 'row');
  const chosen = byRow.length > 0 ? byRow : checks;
  return {
    check: chosen[0]?.check ?? 'set',
    reason: [...new Set(chosen.map(({ reason }) => reason))].join('; '),
  };
}
