import type { Staging } from '../copy/staging.js';
import { castTo, columnOf, rowsOf } from '../table/inspect-table.js';
import { quote } from '../postgres/quote.js';
import { anchoredColumns, type Fixture, type FixtureColumn } from '../fixtures/fixture.js';
import type { VerifiedFixture } from '../report/result.js';
import type { OnTable } from '../run/step.js';
import { columnValue, sameIdentity } from './expressions.js';

/** On which anchors the standing rows are. */
export interface Anchors extends Pick<VerifiedFixture, 'anchors' | 'anchorCount' | 'ageMs' | 'expired'> {
  /** The anchor that most rows tell; null where none tells any. */
  usual: string | null;
  /** All rows that were to expire after the load have done so. */
  allExpired: boolean;
}

/** How many anchors are named, the oldest first. */
const SHOWN = 10;

const ISO = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

/**
 * SQL for the anchor on which a standing row `t` is held: its own, as its anchor column tells it, where another of its
 * times bears that out; else `usual`, the one that most rows tell: held against an anchor that it alone tells, a time would
 * always fit. None is later than now, but for a minute by which a clock may have been put back.
 */
export function rowAnchor(on: OnTable, usual: string | null, values: unknown[]): string {
  if (anchoredColumns(on.fixture).length === 0) return '';
  const anchor = `$${values.push(usual)}::timestamptz`;
  const untold = untoldSql(on, values);
  const told =
    untold === 'true'
      ? anchor
      : `coalesce(case when not (${untold}) then ${ownAnchor(on, usual, values)} end, ${anchor})`;
  return `least(${told}, now() + interval '1 minute')`;
}

/** A fixture's times that tell an anchor, the finest first. */
interface Tellers {
  all: FixtureColumn[];
  /** Those whose columns keep most digits: what the others keep follows from these. */
  finest: FixtureColumn[];
  /** Of these the one by which each row tells its own, if there is an anchor column: that, where it is among them. */
  own: FixtureColumn | undefined;
  /** Those that are to bear it out; coarser ones where there are no others, or where the anchor column is. */
  others: FixtureColumn[];
}

/** A constant that is empty tells nothing. */
function tellersOf({ fixture, table }: OnTable): Tellers {
  const digits = (column: FixtureColumn): number => digitsIn({ table }, column);
  const all = anchoredColumns(fixture)
    .filter((column) => column.kind !== 'constant' || (column.value ?? null) !== null)
    .sort((one, other) => digits(other) - digits(one));
  const finest = all.filter((column) => digits(column) === digits(all[0]!));
  const declared = all.find(({ name }) => name === fixture.anchorColumn);
  // Dates alone tell no anchor to the hour.
  if (declared === undefined || digits(all[0]!) < 0) return { all, finest, own: undefined, others: all };
  const [own = declared] = finest.includes(declared) ? [declared] : finest;
  const bearing = own === declared && finest.length > 1 ? finest : all;
  return { all, finest, own, others: bearing.filter((column) => column !== own) };
}

/** One statement of the running stack's gives a live constant the same time in all rows, which would be no load's. */
const isWeak = ({ live }: Fixture, { name, kind }: FixtureColumn): boolean =>
  kind === 'constant' && live.includes(name);

const MICROSECONDS = 6;

/** How many digits of a second a fixture's column keeps; -1 of a date. */
function digitsIn({ table }: Pick<OnTable, 'table'>, { name }: FixtureColumn): number {
  const type = columnOf(table, name).uncut;
  const [, digits = MICROSECONDS] = /^timestamp(?:\((\d)\))?/.exec(type) ?? [];
  return type === 'date' ? -1 : Number(digits);
}

/** Whether each row tells its own anchor; otherwise there is but one, that of most rows. */
export function tellOwn(on: OnTable): boolean {
  return tellersOf(on).own !== undefined;
}

/** SQL that is true of a staged row `s` that cannot tell its own anchor. */
function untoldSql(on: OnTable, values: unknown[]): string {
  const { own, others } = tellersOf(on);
  if (own === undefined || others.length === 0) return 'true';
  return `num_nonnulls(${others.map((column) => columnValue(column, values).sql).join(', ')}) = 0`;
}

/**
 * SQL for the anchor that a row tells: the `usual` one where any of its times does, else what the best of them tells. One
 * that has an anchor column tells that column's, unless nothing in the row bears it out to the last digit.
 */
function ownAnchor(on: OnTable, usual: string | null, values: unknown[]): string {
  const { all, finest, own, others } = tellersOf(on);
  const told = (columns: FixtureColumn[]): string =>
    ['null::timestamptz', ...columns.map((column) => toldBy(column, values))].join(', ');
  const byItself = `coalesce(${told(own === undefined ? all : [own])})`;
  if (usual === null || others.length === 0) return byItself;
  const anchor = `$${values.push(usual)}::timestamptz`;
  const tellUsual = others.map(
    (column) =>
      `t.${quote(column.name)} = ${castTo(on.table, column.name, `${anchor} + ${columnValue(column, values).sql}`)}`,
  );
  const bearing = others.filter((column) => finest.includes(column) && !isWeak(on.fixture, column));
  const isBorneOut = own !== undefined && `(${byItself} = any (array[${told(bearing)}])) is true`;
  return `case when (${tellUsual.join(' or ')}) and not ${isBorneOut} then ${anchor} else ${byItself} end`;
}

/** SQL for the anchor that one time of a standing row `t` tells; one that is infinite tells none. */
function toldBy(column: FixtureColumn, values: unknown[]): string {
  const time = `t.${quote(column.name)}`;
  return `(case when isfinite(${time}) then ${time} - ${columnValue(column, values).sql} end)`;
}

/**
 * The anchor that is told most often by the times of standing rows, in more than half of them where each tells its own; null
 * where there is none. A live column that is the same in all rows only decides between two that are told as often; else that
 * of the anchor column counts. Coarser times are asked where none of the finest tells.
 */
export async function findMostTold(on: OnTable, staged: Staging): Promise<string | null> {
  const { fixture, table } = on;
  const { all, finest, own } = tellersOf(on);
  const from = `from ${staged.table} as s join ${rowsOf(table)} as t on ${sameIdentity(fixture, table)}`;
  if (finest[0] === undefined) return null;
  if (digitsIn(on, finest[0]) < MICROSECONDS) return findFitting(on, from);
  const weak = (column: FixtureColumn): boolean =>
    own !== undefined && column !== own && isWeak(fixture, column);
  const values: unknown[] = [];
  const told = all.map((column) => toldBy(column, values));
  const flags = (is: (column: FixtureColumn) => boolean): string =>
    `unnest(array[${all.map(is).join(', ')}])`;
  // Not by VALUES: for Citus those are constant.
  const found = await on.session.first<{ anchor: string }>(
    `with standing as (
       select unnest(array[${told.join(', ')}]) as anchor, ${flags((column) => column === own)} as is_own,
         ${flags(weak)} as is_weak, ${flags((column) => finest.includes(column))} as is_fine ${from})
     select anchor::text from standing
     where anchor is not null and is_fine = (select bool_or(is_fine) from standing where anchor is not null)
     group by anchor
     having count(*) filter (where not is_weak) * 2 > (select count(*) from standing where is_own)
     order by count(*) filter (where not is_weak) desc, count(*) desc, count(*) filter (where is_own) desc, anchor limit 1`,
    values,
  );
  return found?.anchor ?? null;
}

/**
 * The same where no column keeps all digits: each time tells from when until when its anchor may have been, and the last
 * moment counts in which most of them agree.
 */
async function findFitting(on: OnTable, from: string): Promise<string | null> {
  const { all, own } = tellersOf(on);
  const values: unknown[] = [];
  const spans = all.map((column) => {
    const digits = digitsIn(on, column);
    // A cast to a date leaves the time of day out, any other rounds.
    const [before, after] = digits < 0 ? [0, 86_400] : [10 ** -digits / 2, 10 ** -digits / 2];
    const [told, isOwn] = [toldBy(column, values), column === own];
    return `select ${told} - interval '${before.toFixed(7)} s' as since,
      ${told} + interval '${after.toFixed(7)} s' as until, ${isOwn} as is_own ${from}`;
  });
  const found = await on.session.first<{ anchor: string }>(
    `with spans as (${spans.join(' union all ')}), ends as (
       select since as at, 1 as more from spans where since is not null union all
       select until, -1 from spans where until is not null), sums as (
       select at, sum(sum(more)) over (order by at) as agree, lead(at) over (order by at) as next
       from ends group by at)
     select least(next - interval '1 microsecond', greatest(now(), at))::text as anchor from sums
     where agree * 2 > (select count(*) from spans where is_own) order by agree desc, at desc limit 1`,
    values,
  );
  return found?.anchor ?? null;
}

/** The anchor on which rows are held that do not tell their own, or to the last digit. */
export async function findUsual(on: OnTable, staged: Staging): Promise<string | null> {
  const { own, others, finest } = tellersOf(on);
  const isExact = own !== undefined && others.every((column) => finest.includes(column));
  return isExact ? null : findMostTold(on, staged);
}

/** What {@link countByAnchor} has to know of a standing row `t` and its staged row `s`, as columns. */
export function anchorSql(on: OnTable, values: unknown[], usual: string | null): string {
  const { fixture } = on;
  const expiry = anchoredColumns(fixture).find(({ name }) => name === fixture.expiryColumn);
  const expiring = expiry && `${columnValue(expiry, values).sql} > interval '0'`;
  const expired = expiry && `t.${quote(expiry.name)} <= now()`;
  return `${ownAnchor(on, usual, values)} as anchor, ${untoldSql(on, values)} as untold,
    ${expiring ?? 'false'} as expiring, ${expired ?? 'false'} as expired`;
}

/**
 * Counts rows in one pass, by the anchor that they tell: of a query that gives `stands` and what {@link anchorSql} does.
 * `more` are further counts, as SQL; `untold` are the rows that stand and cannot tell theirs.
 */
export async function countByAnchor(
  on: OnTable,
  joined: string,
  more: readonly string[],
  values: unknown[],
): Promise<{ ages: Anchors; counts: number[]; untold: number }> {
  const several = tellOwn(on);
  const counted = await on.session.first<{
    anchors: { at: string; rows: number; ageMs: number }[];
    anchor_count: string;
    usual: string | null;
    expiring: string;
    expired: string;
    untold: string;
    counts: string[];
  }>(
    `with joined as (${joined}), loads as (
       select anchor, count(*) filter (where stands) as rows,
         count(*) filter (where stands and untold) as untold,
         count(*) filter (where stands and expiring) as expiring,
         count(*) filter (where stands and expiring and expired) as expired,
         array[${more.map((condition) => `count(*) filter (where ${condition})`).join(', ')}]::int8[] as counts
       from joined group by anchor)
     select (select coalesce(json_agg(shown), '[]') from (
         select to_char(anchor at time zone 'utc', ${ISO}) as at, rows,
           extract(epoch from now() - anchor) * 1000 as "ageMs"
         from loads where anchor is not null and rows > 0
         order by ${several ? 'anchor' : 'loads.rows desc, anchor'} limit ${several ? SHOWN : 1}) as shown) as anchors,
       count(anchor) filter (where rows > 0) as anchor_count,
       (select anchor::text from loads where anchor is not null and rows > 0 order by loads.rows desc, anchor limit 1) as usual,
       coalesce(sum(expiring) filter (where anchor is not null), 0) as expiring,
       coalesce(sum(expired) filter (where anchor is not null), 0) as expired, coalesce(sum(untold), 0) as untold,
       array[${more.map((_, index) => `coalesce(sum(counts[${index + 1}]), 0)`).join(', ')}]::text[] as counts
     from loads`,
    values,
  );
  const { anchors, anchor_count, usual, counts, ...sums } = counted!;
  const [expiring, expired] = [Number(sums.expiring), Number(sums.expired)];
  const hasExpiry = on.fixture.expiryColumn !== undefined;
  return {
    ages: {
      anchors: anchors.map(({ at, rows: count }) => ({ at, rows: count })),
      anchorCount: several ? Number(anchor_count) : anchors.length,
      ageMs: anchors[0] === undefined ? null : Math.round(anchors[0].ageMs),
      expired: hasExpiry ? expired : null,
      usual,
      allExpired: expired > 0 && expired === expiring,
    },
    counts: counts.map(Number),
    untold: Number(sums.untold),
  };
}
