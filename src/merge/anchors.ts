import type { Staging } from '../copy/staging.js';
import type { TableInfo } from '../table/inspect-table.js';
import { quote, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { columnsOf, type Fixture } from '../fixtures/fixture.js';
import type { VerifiedFixture } from '../report/result.js';
import { columnValue, sameIdentity } from './expressions.js';

/**
 * SQL for the anchor of a standing row `t`: what its anchor column says, less that column's offset. A fixture that
 * names no anchor column takes the first that hangs on the anchor; without any there is no anchor.
 */
export function rowAnchor(fixture: Fixture, values: unknown[]): string | undefined {
  const anchored = columnsOf(fixture).filter(({ type }) => type === 'timestamptz after anchor');
  const chosen = anchored.find(({ name }) => name === fixture.anchorColumn) ?? anchored[0];
  return chosen && `(t.${quote(chosen.name)} - ${columnValue(chosen, values).sql})`;
}

/** When the standing rows were loaded or reset, and how stale they are by the server's clock. */
export async function findAnchors(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  staged: Staging,
): Promise<Pick<VerifiedFixture, 'anchors' | 'ageMs' | 'expired'> & { allExpired: boolean }> {
  const values: unknown[] = [];
  const anchor = rowAnchor(fixture, values);
  if (anchor === undefined) return { anchors: [], ageMs: null, expired: null, allExpired: false };
  const expires = Object.hasOwn(fixture.columns, 'expires_at');
  const { rows } = await session.query<{
    at: string;
    rows: string;
    age_ms: string;
    expired: string;
    expiring: string;
  }>(
    `select to_char(anchor at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, count(*) as rows,
       extract(epoch from now() - anchor) * 1000 as age_ms,
       count(*) filter (where expires_at > anchor) as expiring,
       count(*) filter (where expires_at > anchor and expires_at <= now()) as expired
     from (
       select ${anchor} as anchor, ${expires ? 't.expires_at' : 'null::timestamptz as expires_at'}
       from ${staged.table} as s join ${quoteTable(table)} as t on ${sameIdentity(fixture)}
     ) as standing
     where anchor is not null group by anchor order by anchor`,
    values,
  );
  const sum = (count: 'expired' | 'expiring'): number =>
    rows.reduce((all, row) => all + Number(row[count]), 0);
  return {
    anchors: rows.slice(0, 10).map(({ at, rows: count }) => ({ at, rows: Number(count) })),
    ageMs: rows[0] === undefined ? null : Math.round(Number(rows[0].age_ms)),
    expired: expires ? sum('expired') : null,
    allExpired: sum('expired') > 0 && sum('expired') === sum('expiring'),
  };
}
