import { likePattern, markCondition } from '../database/marks.js';
import { literal, quote, quoteTable, type TableName } from '../database/quote.js';
import type { Session } from '../database/session.js';
import { identityOf, type Fixture, type NumberedKey } from '../fixtures/fixture.js';

/** What is known of a fixture's rows before any is sent. */
export interface Standing {
  /** Rows 1 to this one stand, all of them. */
  upTo: number;
  /** No row after those stands under the fixture's key. */
  noneAfter: boolean;
}

/**
 * Finds out which rows stand without sending one. Keys that count (a prefix, the row's number, a suffix) are counted in
 * the unique index: if there are m different ones, none above m, then by the pigeonhole principle 1 to m all stand; a
 * row whose key stands would be skipped whatever its other keys. At 100,000 rows that takes 30 ms.
 */
export async function findStanding(session: Session, fixture: Fixture, table: TableName): Promise<Standing> {
  const [column, ...others] = identityOf(fixture);
  const key = column === undefined ? undefined : fixture.numberedKeys[column];
  if (column === undefined || others.length > 0 || key === undefined) {
    return { upTo: 0, noneAfter: !(await anyMarked(session, fixture, table)) };
  }
  const name = quote(column);
  const { prefix, suffix } = key;
  const bare = suffix === '' ? name : `left(${name}, ${-suffix.length})`;
  const ending = suffix === '' ? '' : `and ${name} like ${literal(`%${likePattern(suffix)}`)}`;
  const { rows } = await session.query<{ rows: string; highest: string | null }>(
    `select count(*) as rows, max(${name}) as highest from ${quoteTable(table)}
     where ${name} between $1 and $2 and octet_length(${name}) = octet_length($1)
       and rtrim(${bare}, '0123456789') = $3 ${ending}`,
    [numbered(key, 1), numbered(key, fixture.count), prefix],
  );
  const count = Number(rows[0]?.rows);
  const highest = rowNumber(key, rows[0]?.highest ?? numbered(key, 0));
  return count === highest ? { upTo: count, noneAfter: true } : { upTo: 0, noneAfter: false };
}

function numbered({ prefix, digits, suffix }: NumberedKey, row: number): string {
  return prefix + String(row).padStart(digits, '0') + suffix;
}

function rowNumber({ prefix, digits }: NumberedKey, key: string): number {
  return Number(key.slice(prefix.length, prefix.length + digits));
}

async function anyMarked(session: Session, fixture: Fixture, table: TableName): Promise<boolean> {
  const values: unknown[] = [];
  const marked = markCondition(fixture.mark, values);
  const { rows } = await session.query(`select from ${quoteTable(table)} where ${marked} limit 1`, values);
  return rows.length > 0;
}
