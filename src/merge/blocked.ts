import type { Staging } from '../copy/staging.js';
import { ANCHORED, columnsOf, identityOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import { readRows } from '../fixtures/read-rows.js';
import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { Blocked, Counts } from '../report/result.js';
import type { Step } from '../run/step.js';
import { isSharded } from '../table/citus.js';
import { castTo, rowsOf, type TableInfo } from '../table/inspect-table.js';
import { columnValue, keyText, sameIdentity } from './expressions.js';

/** What kept a row out that has the same key as another of the fixture. */
const REPEATED = 'another row of the fixture with the same key';

/** Stands for a key that nothing in the table tells. */
export const UNKNOWN = 'unknown';

/** The first staged row that could not be added, and what is in its way. */
export async function findBlocked(
  { session, fixture, table }: Step,
  staging: Staging,
): Promise<Blocked | null> {
  const absent = await findAbsent(session, fixture, table, staging);
  if (absent !== undefined) return { key: absent.key, by: absent.by ?? suspects(table) };
  const key = await findRepeated(session, fixture, staging);
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
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  staging: Staging,
): Promise<{ key: string; by: string | undefined } | undefined> {
  const identity = identityOf(fixture);
  const values: unknown[] = [];
  const comparable = columnsOf(fixture).filter(({ type }) => type !== ANCHORED);
  const find = (name: string): FixtureColumn | undefined => comparable.find((column) => column.name === name);
  // On several shards every unique key holds the row's own, and nobody else holds that.
  const unique = isSharded(table) ? [] : table.uniqueKeys;
  const keys = unique.filter((key) => key.every((column) => find(column) !== undefined));
  const holders = keys.map((key) => {
    const same = key.map((name) => {
      const own = castTo(table, name, columnValue(find(name)!, values).sql);
      return `h.${quote(name)} = ${own}`;
    });
    return `(select ${keyText(fixture, 'h')}
      from ${rowsOf(table)} as h where ${same.join(' and ')} limit 1)`;
  });
  const { rows } = await session.query<{ key: string; holders: (string | null)[] }>(
    `select ${keyText(fixture, 's')} as key,
       array[${holders.join(', ')}]::text[] as holders
     from ${staging.table} as s left join ${rowsOf(table)} as t on ${sameIdentity(fixture)}
     where t.${quote(identity[0]!)} is null order by 1 limit 1`,
    values,
  );
  const found = rows[0];
  if (found === undefined) return undefined;
  const at = found.holders.findIndex((holder) => holder !== null);
  const holder = found.holders[at];
  const by = holder && `row ${holder}, which has the same ${keys[at]!.join(', ')}`;
  return { key: found.key, by: by ?? undefined };
}

/** What else may keep a row out without a word. */
function suspects(table: TableInfo): string {
  return (
    keepersOf(table) || 'an exclusion constraint, or a unique index over an expression or a part of the rows'
  );
}

/** What of a table's own may keep a row from being added, changed or deleted; empty where there is nothing. */
export function keepersOf({ userTriggers, rules, rowSecurity }: TableInfo): string {
  return [
    ...(userTriggers.length > 0 ? [`the triggers ${userTriggers.join(', ')}`] : []),
    ...(rules.length > 0 ? [`the rules ${rules.join(', ')}`] : []),
    ...(rowSecurity ? ['row security'] : []),
  ].join(' or ');
}

async function findRepeated(
  session: Session,
  fixture: Fixture,
  staging: Staging,
): Promise<string | undefined> {
  const key = identityOf(fixture).map((column) => `s.${quote(column)}`);
  const { rows } = await session.query<{ key: string }>(
    `select ${keyText(fixture, 's')} as key
     from ${staging.table} as s group by ${key.join(', ')} having count(*) > 1 order by 1 limit 1`,
  );
  return rows[0]?.key;
}
