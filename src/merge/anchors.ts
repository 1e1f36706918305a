import type { Staging } from '../copy/staging.js';
import { rowsOf, type TableInfo } from '../table/inspect-table.js';
import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { anchoredColumns, type Fixture } from '../fixtures/fixture.js';
import type { VerifiedFixture } from '../report/result.js';
import { columnValue, sameIdentity } from './expressions.js';

/** On which anchors the standing rows are. */
export interface Anchors extends Pick<VerifiedFixture, 'anchors' | 'anchorCount' | 'ageMs' | 'expired'> {
  /** The anchor that most rows tell; null where none tells any. */
  usual: string | null;
  /** All rows that were to expire after the load have done so. */
  allExpired: boolean;
}

const NONE: Anchors = {
  anchors: [],
  anchorCount: 0,
  ageMs: null,
  expired: null,
  usual: null,
  allExpired: false,
};

/** How many anchors are named, the oldest first. */
const SHOWN = 10;

const ISO = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

/**
 * SQL for the anchor on which a standing row `t` is held: its own, as its anchor column tells it, where another of its
 * times bears that out; else `usual`, the one that most rows tell. A time that were held against an anchor made of it alone
 * would always be right.
 */
export function rowAnchor(fixture: Fixture, usual: string | null, values: unknown[]): string {
  const anchored = anchoredColumns(fixture);
  if (anchored.length === 0) return '';
  values.push(usual);
  const anchor = `$${values.length}::timestamptz`;
  if (fixture.anchorColumn === undefined) return anchor;
  const others = anchored.filter(({ name }) => name !== fixture.anchorColumn);
  const times = others.map((column) => columnValue(column, values).sql);
  return `case when num_nonnulls(${times.join(', ')}) > 0 then ${toldAnchor(fixture, values)} else ${anchor} end`;
}

/** SQL for the anchor that a row tells: by its anchor column, else by a constant time, which is most seldom changed. */
function toldAnchor(fixture: Fixture, values: unknown[]): string {
  const anchored = anchoredColumns(fixture);
  const teller =
    anchored.find(({ name }) => name === fixture.anchorColumn) ??
    anchored.find(({ kind }) => kind === 'constant') ??
    anchored[0]!;
  return `(t.${quote(teller.name)} - ${columnValue(teller, values).sql})`;
}

/** When the standing rows were loaded or reset, and how stale they are by the server's clock. */
export async function findAnchors(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  staged: Staging,
): Promise<Anchors> {
  const anchored = anchoredColumns(fixture);
  if (anchored.length === 0) return NONE;
  const values: unknown[] = [];
  const expiry = anchored.find(({ name }) => name === fixture.expiryColumn);
  const expiring = expiry && `${columnValue(expiry, values).sql} > interval '0'`;
  // Without an anchor column there is but one, that of most rows.
  const several = fixture.anchorColumn !== undefined;
  const { rows } = await session.query<
    Record<'at' | 'rows' | 'age_ms' | 'count' | 'usual' | 'expiring' | 'expired', string>
  >(
    `select to_char(anchor at time zone 'utc', ${ISO}) as at, rows, extract(epoch from now() - anchor) * 1000 as age_ms,
       count(*) over () as count, first_value(anchor) over (order by rows desc, anchor)::text as usual,
       sum(expiring) over () as expiring, sum(expired) over () as expired
     from (
       select anchor, count(*) as rows, count(*) filter (where expiring) as expiring,
         count(*) filter (where expiring and expires_at <= now()) as expired
       from (
         select ${toldAnchor(fixture, values)} as anchor, ${expiring ?? 'false'} as expiring,
           ${expiry === undefined ? 'null::timestamptz' : `t.${quote(expiry.name)}`} as expires_at
         from ${staged.table} as s join ${rowsOf(table)} as t on ${sameIdentity(fixture)}
       ) as standing
       where anchor is not null group by anchor
     ) as loads
     order by ${several ? 'anchor' : 'loads.rows desc, anchor'} limit ${several ? SHOWN : 1}`,
    values,
  );
  const [first] = rows;
  if (first === undefined) return { ...NONE, expired: expiry === undefined ? null : 0 };
  const expired = Number(first.expired);
  return {
    anchors: rows.map(({ at, rows: count }) => ({ at, rows: Number(count) })),
    anchorCount: several ? Number(first.count) : 1,
    ageMs: Math.round(Number(first.age_ms)),
    expired: expiry === undefined ? null : expired,
    usual: first.usual,
    allExpired: expired > 0 && expired === Number(first.expiring),
  };
}
