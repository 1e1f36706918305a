import type { Staging } from '../copy/staging.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { readRows } from '../fixtures/read-rows.js';
import { quote } from '../postgres/quote.js';
import type { Blocked, Counts } from '../report/result.js';
import { formatCount, nameAll } from '../report/units.js';
import { stepError, type OnTable } from '../run/step.js';
import { rowsOf, type TableInfo } from '../table/inspect-table.js';
import { keyText, sameIdentity } from './expressions.js';
import { holderOf, otherKeys, sameKey, untoldKeys } from './unique-keys.js';

/** What kept a row out that has the same key as another of the fixture. */
export const REPEATED = 'another row of the fixture with the same key';

/** What has taken a row away that had been found standing. */
export const OTHER_SESSION = 'another session, which has deleted it in the meantime';

/** Stands for a key that nothing in the table tells. */
export const UNKNOWN = 'unknown';

/** The first staged row that could not be added, and what is in its way. */
export async function findBlocked(on: OnTable, staging: Staging): Promise<Blocked | null> {
  const absent = await findAbsent(on, staging);
  if (absent !== undefined) return { key: absent.key, by: absent.by ?? (await suspects(on)) };
  const key = await findRepeated(on, staging);
  return key === undefined ? null : { key, by: REPEATED };
}

/** Keys that are held in memory to find one that is repeated. */
const MAX_KEYS = 1_000_000;

/** The same counts, where nothing in the table told what blocks a row, with the first key that the fixture itself repeats. */
export async function nameRepeated(fixture: Fixture, counts: Counts): Promise<Counts> {
  if (counts.firstBlocked?.key !== UNKNOWN) return counts;
  const columns = Object.keys(fixture.columns);
  const places = identityOf(fixture).map((column) => columns.indexOf(column));
  const seen = new Set<string>();
  const reader = readRows(fixture);
  try {
    for (let rows = await reader.read(1000); rows.length > 0; rows = await reader.read(1000)) {
      for (const row of rows) {
        const key = places.map((place) => String(row[place])).join('/');
        if (seen.has(key)) return { ...counts, firstBlocked: { key, by: REPEATED } };
        if (seen.size < MAX_KEYS) seen.add(key);
      }
    }
    return counts;
  } finally {
    await reader.close();
  }
}

/** The first staged row whose key does not stand, and the row that holds another of its unique keys, if any does. */
export async function findAbsent(
  { session, fixture, table }: OnTable,
  staging: Staging,
): Promise<{ key: string; by: string | undefined } | undefined> {
  const values: unknown[] = [];
  const keys = otherKeys(fixture, table);
  const holders = keys.map(
    (key) => `(select ${keyText(fixture, 'h')}
      from ${rowsOf(table)} as h where ${sameKey(table, key, 'h', values)} limit 1)`,
  );
  const found = await session.first<{ key: string; holders: (string | null)[] }>(
    `select ${keyText(fixture, 's')} as key,
       array[${holders.join(', ')}]::text[] as holders
     from ${staging.table} as s left join ${rowsOf(table)} as t on ${sameIdentity(fixture, table)}
     where t.${quote(identityOf(fixture)[0]!)} is null order by 1 limit 1`,
    values,
  );
  return found && { key: found.key, by: holderOf(keys, found.holders) };
}

/** What else may keep a row out without a word, or have taken it away. */
async function suspects(on: OnTable): Promise<string> {
  return keepersOf(on.table) || [...(await untoldIndexes(on)), OTHER_SESSION].join(' or ');
}

/** Indexes that may keep a row out, and of which no row that holds a key is looked for. */
export async function untoldIndexes({ session, fixture, table }: OnTable): Promise<string[]> {
  const { rows } = await session.query<{ name: string }>(
    `select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid = ${table.oid}
       and (i.indisexclusion or i.indisunique and (i.indpred is not null or i.indexprs is not null))`,
  );
  const indexes = [...rows.map(({ name }) => name), ...untoldKeys(fixture, table)].sort();
  return indexes.length > 0 ? [nameAll('index', indexes)] : [];
}

/** What of a table's own may keep a row from being added, changed or deleted; empty where there is nothing. */
export function keepersOf({ userTriggers, rules, rowSecurity }: TableInfo): string {
  return [
    userTriggers.length > 0 && nameAll('trigger', userTriggers),
    rules.length > 0 && nameAll('rule', rules),
    rowSecurity && 'row security',
  ]
    .filter(Boolean)
    .join(' or ');
}

/** Refuses where only so many of the rows were found, and others may stand all the same. */
export function refuseHidden(on: OnTable, rows: number): void {
  const { fixture, table } = on;
  if (!table.rowsHidden || rows >= fixture.count) return;
  const found = `${formatCount(rows)} of its ${formatCount(fixture.count)} rows were found`;
  const message = `fixture ${fixture.name}: ${found}: row security may hide the others from the role`;
  throw stepError(on, message, { code: 'privilege', hint: 'use a role that bypasses row security' });
}

/** The key of a staged row that another has as well. */
export async function findRepeated(
  { session, fixture }: OnTable,
  staging: Staging,
): Promise<string | undefined> {
  const key = identityOf(fixture).map((column) => `s.${quote(column)}`);
  const found = await session.first<{ key: string }>(
    `select ${keyText(fixture, 's')} as key
     from ${staging.table} as s group by ${key.join(', ')} having count(*) > 1 order by 1 limit 1`,
  );
  return found?.key;
}
