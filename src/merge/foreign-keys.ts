import type { Staged } from '../copy/staging.js';
import type { TableInfo } from '../database/inspect-table.js';
import { quote, quoteTable } from '../database/quote.js';
import type { Session } from '../database/session.js';
import { ScaleSeedError } from '../errors.js';
import { columnsOf, type Fixture } from '../fixtures/fixture.js';
import type { ForeignKeyCheck } from '../report/result.js';
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
  if (table.foreignKeys.length === 0) return { check: 'set', reason: `${table.name} has no foreign keys` };
  const obstacle = obstacleTo(fixture, table, mayReplicate);
  return obstacle === undefined
    ? { check: 'set', reason: 'every distinct parent was checked and locked once' }
    : { check: 'row', reason: obstacle };
}

function obstacleTo(fixture: Fixture, table: TableInfo, mayReplicate: boolean): string | undefined {
  const { name, foreignKeys, userTriggers, rules, deferrableKeys } = table;
  if (!mayReplicate) return 'the role may not set session_replication_role';
  if (!table.plain) return `${name} is partitioned`;
  if (table.rowSecurity) return `${name} has row security`;
  if (userTriggers.length > 0) return `${name} has triggers of its own: ${userTriggers.join(', ')}`;
  if (rules.length > 0) return `${name} has rules: ${rules.join(', ')}`;
  if (deferrableKeys.length > 0) return `${name} has deferrable keys: ${deferrableKeys.join(', ')}`;
  const unlockable = foreignKeys.find((key) => !key.lockable);
  if (unlockable !== undefined) return `the role may not lock rows of ${unlockable.parent.name}`;
  const special = foreignKeys.find((key) => !key.simple);
  if (special !== undefined) return `foreign key ${special.name} is of a special kind`;
  const { computed } = restColumns(fixture, table);
  const unknown = foreignKeys.find(({ columns }) => columns.some((column) => computed.includes(column)));
  return unknown === undefined ? undefined : `the column of ${unknown.name} has a default that is computed`;
}

/**
 * Checks that every distinct parent of the staged rows exists, and locks it as the foreign key's own trigger would,
 * so that it cannot go before the transaction ends.
 *
 * @throws ScaleSeedError `parents`.
 */
export async function lockParents(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  staged: Staged,
): Promise<void> {
  for (const key of table.foreignKeys) {
    const missing = await lockParentsOf(session, fixture, table, staged, key);
    if (missing.length === 0) continue;
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
}

async function lockParentsOf(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  { table: staging }: Staged,
  { columns, parent, parentColumns }: ForeignKey,
): Promise<string[]> {
  const values: unknown[] = [];
  const sources = columns.map((column) => sourceOf(fixture, table, column, values));
  const constant = sources.every(({ varies }) => !varies);
  const wanted = sources.map(({ sql }, i) => `${sql} as k${i}`).join(', ');
  const same = (alias: string): string =>
    parentColumns.map((column, i) => `${alias}.${quote(column)} = w.k${i}`).join(' and ');
  const { rows } = await session.query<{ missing: string }>(
    `with wanted as materialized (select distinct ${wanted} from ${constant ? '(select) as s' : `${staging} as s`}),
       locked as materialized (
         select p.* from ${quoteTable(parent)} as p where exists (select from wanted as w where ${same('p')})
         for key share)
     select concat_ws('/', ${columns.map((_, i) => `w.k${i}`).join(', ')}) as missing from wanted as w
     where ${columns.map((_, i) => `w.k${i} is not null`).join(' and ')}
       and not exists (select from locked as p where ${same('p')})
     order by 1 limit 5`,
    values,
  );
  return rows.map(({ missing }) => missing);
}

/** Where a foreign key's column gets its value: from the fixture, or from a default that is the same for all rows. */
function sourceOf(
  fixture: Fixture,
  table: TableInfo,
  name: string,
  values: unknown[],
): { sql: string; varies: boolean } {
  const column = columnsOf(fixture).find((candidate) => candidate.name === name);
  if (column !== undefined) {
    return { sql: columnValue(column, values).sql, varies: column.kind !== 'constant' };
  }
  const rest = restColumns(fixture, table).fixed.find((candidate) => candidate.column === name);
  return { sql: `(${rest?.sql ?? 'NULL'})::${rest?.type ?? 'text'}`, varies: false };
}
