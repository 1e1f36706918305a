import type { Staging } from '../copy/staging.js';
import { ANCHORED, columnsOf, identityOf, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import { readRows } from '../fixtures/read-rows.js';
import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { Blocked, Counts } from '../report/result.js';
import { castTo, rowsOf, type TableInfo } from '../table/inspect-table.js';
import { columnValue, keyText, sameIdentity } from './expressions.js';

/** What is looked at to find out what stands in a row's way. */
interface Staged {
  session: Session;
  fixture: Fixture;
  table: TableInfo;
}

/**
 * Counts the rows that were left out of a merge by why they were: ON CONFLICT says no more of them than that they were.
 * A row whose own key stands was skipped; any other was kept out by something else.
 */
export class Tally {
  readonly #on: Staged;
  /** Rows whose own key stands. */
  #standing: number;
  #first: Blocked | null = null;

  /** `stood`: rows that were not sent, since all of them stand. */
  constructor(on: Staged, stood: number) {
    this.#on = on;
    this.#standing = stood;
  }

  /** Adds a batch that has just been merged and is still staged. */
  async add(staging: Staging, rows: number, inserted: number): Promise<void> {
    if (inserted === rows) {
      this.#standing += rows;
      return;
    }
    const { session, fixture, table } = this.#on;
    const key = identityOf(fixture).map((column) => `s.${quote(column)}`);
    const { rows: counts } = await session.query<{ standing: string }>(
      `select count(distinct (${key.join(', ')})) as standing
       from ${staging.table} as s join ${rowsOf(table)} as t on ${sameIdentity(fixture)}`,
    );
    const standing = Number(counts[0]?.standing);
    this.#standing += standing;
    if (standing < rows) this.#first ??= await this.#find(staging);
  }

  async #find(staging: Staging): Promise<Blocked | null> {
    const { session, fixture, table } = this.#on;
    const absent = await findAbsent(session, fixture, table, staging);
    if (absent !== undefined) return { key: absent.key, by: absent.by ?? suspects(table) };
    const key = await findRepeated(session, fixture, staging);
    return key === undefined ? null : { key, by: REPEATED };
  }

  /** The counts of a fixture; `marked` rows of its mark stand in the end. */
  counts(rows: number, inserted: number, marked: number): Counts {
    const present = Math.min(this.#standing, marked);
    const blocked = rows - present;
    // A row that was inserted and is gone again was not added.
    const added = Math.min(inserted, present);
    return {
      rows,
      inserted: added,
      skipped: present - added,
      blocked,
      firstBlocked: blocked === 0 ? null : (this.#first ?? UNKNOWN),
      present,
    };
  }
}

const REPEATED = 'another row of the fixture with the same key';
const UNKNOWN: Blocked = { key: 'unknown', by: 'a trigger that deletes or changes what was inserted' };

/** Keys that are held in memory to find one that is repeated. */
const MAX_KEYS = 1_000_000;

/** The same counts, where nothing in the table told what blocks a row, with the first key that the fixture itself repeats. */
export async function nameRepeated(fixture: Fixture, counts: Counts): Promise<Counts> {
  if (counts.firstBlocked !== UNKNOWN) return counts;
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
  const keys = table.uniqueKeys.filter((key) => key.every((column) => find(column) !== undefined));
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
function suspects({ userTriggers, rules, rowSecurity }: TableInfo): string {
  const own = [
    ...(userTriggers.length > 0 ? [`the triggers ${userTriggers.join(', ')}`] : []),
    ...(rules.length > 0 ? [`the rules ${rules.join(', ')}`] : []),
    ...(rowSecurity ? ['row security'] : []),
  ];
  return own.length > 0
    ? own.join(' or ')
    : 'an exclusion constraint, or a unique index over an expression or a part of the rows';
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
