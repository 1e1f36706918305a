import type { Staging } from '../copy/staging.js';
import { nameOf } from '../report/table-name.js';
import { castTo, type TableInfo } from '../table/inspect-table.js';
import { literal, quote, quoteTable } from '../postgres/quote.js';
import type { ScaleSeedError } from '../errors.js';
import { columnsOf, type Fixture } from '../fixtures/fixture.js';
import type { ForeignKeyCheck } from '../report/result.js';
import { isSharded, setEverywhere } from '../table/citus.js';
import { stepError, type OnTable, type Step } from '../run/step.js';
import { columnValue } from './expressions.js';
import { restColumns } from './rest-columns.js';

type ForeignKey = TableInfo['foreignKeys'][0];
type Checked = Pick<Step, 'fixture' | 'table' | 'server'>;

/** By set where silencing the triggers silences nothing else, by row otherwise: docs/decisions/foreign-keys-by-set.md. */
export function chooseForeignKeyCheck(on: Checked): ForeignKeyCheck {
  const { table } = on;
  // A key that is checked later is checked by triggers, too.
  const hasNone = table.foreignKeys.length + table.deferrableKeys.length === 0;
  if (hasNone && (!table.distributed || table.mayReplicateThere))
    return { check: 'set', reason: `${table.name} has no foreign keys` };
  const obstacle = obstacleTo(on);
  return obstacle === undefined
    ? { check: 'set', reason: 'every distinct parent is checked and locked once' }
    : { check: 'row', reason: obstacle };
}

const MAY_NOT_SET =
  'the role may not set session_replication_role (from PostgreSQL 15 on: grant set on parameter session_replication_role to it)';

/** Why a table's triggers may not be silenced: the role may not do it, or more than its foreign keys would be. */
export function obstacleToSilence(table: TableInfo, mayReplicate: boolean): string | undefined {
  const { name, userTriggers, rules } = table;
  if (isSharded(table)) return `Citus spreads the rows of ${name} over several shards`;
  if (table.distributed && !table.mayReplicateThere)
    return `Citus keeps ${name} on its workers, where session_replication_role does not reach`;
  if (!mayReplicate) return MAY_NOT_SET;
  if (!table.plain) return `${name} is partitioned`;
  if (table.rowSecurity) return `${name} has row security`;
  if (userTriggers.length > 0) return `${name} has triggers of its own: ${userTriggers.join(', ')}`;
  return rules.length > 0 ? `${name} has rules: ${rules.join(', ')}` : undefined;
}

function obstacleTo({ fixture, table, server }: Checked): string | undefined {
  const { name, foreignKeys, deferrableKeys } = table;
  const obstacle = obstacleToSilence(table, server.mayReplicate);
  if (obstacle !== undefined) return obstacle;
  if (deferrableKeys.length > 0) return `${name} has deferrable keys: ${deferrableKeys.join(', ')}`;
  const unlockable = foreignKeys.find((key) => !key.lockable && refersBy(fixture, table, key));
  if (unlockable !== undefined) return `the role may not lock rows of ${unlockable.parent.name}`;
  const hidden = foreignKeys.find(({ rowsHidden }) => rowsHidden);
  if (hidden !== undefined) return `${hidden.parent.name} has row security`;
  const special = foreignKeys.find((key) => !key.simple);
  if (special !== undefined) return `foreign key ${special.name} is of a special kind`;
  const varying = foreignKeys.find((key) => varies(fixture, key));
  if (table.distributed && varying !== undefined)
    return `Citus cannot lock the parents of ${varying.name}, which differ from row to row`;
  const own = foreignKeys.find(({ parent }) => nameOf(parent) === nameOf(table));
  if (own !== undefined) return `foreign key ${own.name} refers to ${name} itself`;
  const { computed } = restColumns(fixture, table);
  const unknown = foreignKeys.find(({ columns }) => columns.some((column) => computed.includes(column)));
  return unknown === undefined ? undefined : `the column of ${unknown.name} has a default that is computed`;
}

/** As `replica` no trigger does anything from here on; as `origin` all do, event triggers when indexes are made, too. */
export async function setReplicationRole(
  { session, table }: OnTable,
  role: 'replica' | 'origin',
): Promise<void> {
  const set = `set local session_replication_role = ${role}`;
  if (table.distributed) await setEverywhere(session, set);
  else session.soon(set);
}

/**
 * Locks every distinct parent of the staged rows as the foreign key's own trigger would; one that is the same for all rows was
 * locked with the table. In one statement: a round trip apiece would wait its turn behind the encoding of others.
 */
export async function lockParents(on: OnTable, staged: Staging): Promise<void> {
  const { fixture, table } = on;
  const keys = table.foreignKeys.filter((key) => varies(fixture, key));
  const missing = await findMissingParent(on, keys, staged);
  if (missing !== undefined) throw missing;
}

/**
 * The same for parents that are the same for all rows, before any is staged and as far as the role may lock them. Returns
 * the error of one that is missing: whether a trigger might still make it, only the table's lock tells.
 */
export async function lockConstantParents(on: OnTable): Promise<ScaleSeedError | undefined> {
  const { fixture, table } = on;
  const keys = table.foreignKeys
    .filter(({ simple, lockable, rowsHidden }) => simple && lockable && !rowsHidden)
    .filter((key) => nameOf(key.parent) !== nameOf(table) && !varies(fixture, key));
  return findMissingParent(on, keys);
}

/** Keys whose parents a dry run looks for: not where another fixture brings them, or the fixture describes them by other columns. */
export function keysToForesee({ fixture, table, known }: Step): ForeignKey[] {
  const others = known.map((other) => other.table);
  return table.foreignKeys.filter(
    (key) =>
      key.simple &&
      key.readable &&
      !key.rowsHidden &&
      !(key.parent.schema === table.schema && others.includes(key.parent.name)) &&
      describedParents(fixture, table, key).every((values) => !values.includes(undefined)),
  );
}

/** The values in a key's columns of the parents that the fixture describes, which stand or would be created. */
function describedParents(
  fixture: Fixture,
  { schema }: TableInfo,
  { parent, parentColumns }: ForeignKey,
): unknown[][] {
  return fixture.parents
    .filter((row) => row.table === parent.name && parent.schema === schema)
    .map(({ values }) => parentColumns.map((column) => values[column]));
}

/** Refuses a fixture of which a row would have no parent by such a key; without a lock. */
export async function foreseeParents(step: Step, staged?: Staging): Promise<void> {
  const missing = await findMissingParent(step, keysToForesee(step), staged, false);
  if (missing !== undefined) throw missing;
}

/** Finds and locks the parents of some foreign keys; returns the error of the first key of which some are missing. */
async function findMissingParent(
  on: OnTable,
  keys: readonly ForeignKey[],
  staged?: Staging,
  locks = true,
): Promise<ScaleSeedError | undefined> {
  const { session, fixture, table } = on;
  const checks = keys
    .filter((key) => refersBy(fixture, table, key))
    .map((key) => missingParentsSql(on, staged, key, locks));
  if (checks.length === 0) return undefined;
  const { rows } = await session.query<{ key: string; missing: string }>(checks.join(' union all '));
  const key = keys.find(({ name }) => name === rows[0]?.key);
  if (key === undefined) return undefined;
  const missing = rows.filter((row) => row.key === key.name).map((row) => row.missing);
  return stepError(
    on,
    `fixture ${fixture.name}: ${key.parent.name} has no row ${missing.join(', ')}, to which ${key.columns.join(', ')} would refer`,
    {
      code: 'parents',
      phase: 'merge',
      hint: 'insert the parent row: --create-parents adds those that the fixture describes',
    },
  );
}

/** A select that locks a foreign key's parents and returns a few that are missing. */
function missingParentsSql(
  { fixture, table }: OnTable,
  staged: Staging | undefined,
  key: ForeignKey,
  locks: boolean,
): string {
  const { name, columns, parent, parentColumns, parentIsPartitioned } = key;
  // What the row will hold, which a numeric's scale may round, is what must have a parent.
  const wanted = columns.map(
    (column, i) => `${castTo(table, column, sourceSql(fixture, table, column))} as k${i}`,
  );
  // Rows of tables that inherit from the parent do not count as its own.
  const parents = `${parentIsPartitioned || table.distributed ? '' : 'only '}${quoteTable(parent)}`;
  const same = parentColumns.map((column, i) => `p.${quote(column)} = w.k${i}`).join(' and ');
  const described = locks ? [] : describedParents(fixture, table, key);
  const others = described.map(
    (values) =>
      `and (${values.map((value, i) => `w.k${i}::text is distinct from ${literal(String(value))}`).join(' or ')})`,
  );
  return `(with wanted as materialized (
         select distinct ${wanted.join(', ')} from ${staged?.table ?? '(select)'} as s),
       locked as materialized (
         select ${parentColumns.map((column) => `p.${quote(column)}`).join(', ')} from ${parents} as p where exists (select from wanted as w where ${same})
         ${locks ? 'for key share' : ''})
     select ${literal(name)} as key, concat_ws('/', ${columns.map((_, i) => `coalesce(nullif(w.k${i}::text, ''), '''''')`).join(', ')}) as missing
     from wanted as w
     where ${columns.map((_, i) => `w.k${i} is not null`).join(' and ')}
       and not exists (select from locked as p where ${same}) ${others.join(' ')}
     order by 2 limit 5)`;
}

/** Whether a foreign key's parent may be another for each row. */
export function varies(fixture: Fixture, { columns }: ForeignKey): boolean {
  return columnsOf(fixture).some(({ name, kind }) => columns.includes(name) && kind !== 'constant');
}

/** Whether a fixture's rows refer to anything by a foreign key: one without a value in a column of it does not. */
export function refersBy(fixture: Fixture, table: TableInfo, { columns }: ForeignKey): boolean {
  return columns.every((name) => sourceSql(fixture, table, name) !== 'NULL');
}

/** Where a foreign key's column gets its value: from the fixture, or from a default that is the same for all rows. */
function sourceSql(fixture: Fixture, table: TableInfo, name: string): string {
  const given = columnsOf(fixture).find((column) => column.name === name);
  if (given !== undefined) return columnValue(given).sql;
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
