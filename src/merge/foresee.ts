import { stage, type Staging } from '../copy/staging.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { literal, quote } from '../postgres/quote.js';
import type { Blocked, Counts } from '../report/result.js';
import { atOneMoment, stepError, type Step } from '../run/step.js';
import { columnOf, rowsOf } from '../table/inspect-table.js';
import { countedKeys } from '../table/keys.js';
import { foreseeParents, keysToForesee, varies } from './foreign-keys.js';
import { keepersOf, refuseHidden, REPEATED, untoldIndexes } from './blocked.js';
import { keyText, sameIdentity } from './expressions.js';
import type { StepKeys } from './keys.js';
import { holderOf, isFixed, otherKeys, sameKey, valueIn, type UniqueKey } from './unique-keys.js';

/**
 * What adding a fixture's rows would come to by now: those whose own key stands would be left alone, those of which
 * another unique key is held by another row, or by an earlier one of the fixture, would be kept out. Where `keys` are
 * given rows are restored: then those of the fixture itself hold nothing back.
 */
export async function foreseeMerge(step: Step, keys?: StepKeys): Promise<Counts> {
  const { session, fixture, table } = step;
  const identity = identityOf(fixture);
  const others = otherKeys(fixture, table);
  const numbered = numberedRelation(step, others);
  const staged = numbered === undefined ? (keys?.staged ?? (await stage(step))) : undefined;
  await foreseeParents(step, staged);
  const relation = staged === undefined ? numbered! : relationOf(step, staged, others);
  const joins = others.map(
    (key, i) => `left join ${rowsOf(table)} as h${i} on ${sameKey(table, key, `h${i}`)}`,
  );
  const from = `from ${relation} as s left join ${rowsOf(table)} as t on ${sameIdentity(fixture, table)} ${joins.join(' ')}`;
  const holders = others.map((_, i) => {
    const own = keys?.hold(identity.map((column) => `h${i}.${quote(column)}`)) ?? 'false';
    const isOther = `h${i}.${quote(identity[0]!)} is not null and not ${own}`;
    return `coalesce(case when ${isOther} then ${keyText(fixture, `h${i}`)} end, s.${EARLIER}[${i + 1}])`;
  });
  const isHeld = `coalesce(${['null', ...holders].join(', ')}) is not null`;
  const stands = `t.${quote(identity[0]!)} is not null`;
  const isBlocked = `s.${REPEATED_KEY} or not ${stands} and ${isHeld}`;
  const isStuck = `not s.${REPEATED_KEY} and ${stands} and ${isHeld}`;
  const counts = await session.first<Record<'standing' | 'blocked' | 'stuck', string>>(
    `select count(*) filter (where ${stands} and not s.${REPEATED_KEY}) as standing,
       count(*) filter (where ${isBlocked}) as blocked, count(*) filter (where ${isStuck}) as stuck ${from}`,
  );
  const findFirst = async (condition: string): Promise<Blocked> => {
    const first = await session.first<{ key: string; holders: (string | null)[] }>(
      `select ${keyText(fixture, 's')} as key, array[${holders.join(', ')}]::text[] as holders
       ${from} where ${condition} order by s.${REPEATED_KEY}, 1 limit 1`,
    );
    const { key, holders: found } = first!;
    return { key, by: holderOf(others, found) ?? REPEATED };
  };
  const [standing, blocked] = [Number(counts?.standing), Number(counts?.blocked)];
  refuseHidden(step, standing);
  if (keys !== undefined && Number(counts?.stuck) > 0) {
    const { key, by } = await findFirst(isStuck);
    const message = `fixture ${fixture.name}: ${key} cannot be restored: blocked by ${by}`;
    const hint = 'change or delete that row first';
    throw stepError(step, message, { code: 'conflict', phase: 'reset', hint });
  }
  const present = fixture.count - blocked;
  return {
    rows: fixture.count,
    inserted: present - standing,
    skipped: standing,
    blocked,
    firstBlocked: blocked === 0 ? null : await findFirst(isBlocked),
    present,
  };
}

/**
 * Looks for what a step would do, without a lock, and says what of the table's own may make more or less of it. Where no row
 * is staged, the server sees that nothing is written.
 */
export function foresee<Foreseen>(
  step: Step,
  look: () => Promise<Foreseen>,
  addsRows = true,
): Promise<Foreseen> {
  const { fixture, table, session, tell } = step;
  const nothingStaged =
    numberedRelation(step, otherKeys(fixture, table)) !== undefined &&
    countedKeys(fixture, table) !== undefined;
  return atOneMoment(step, async () => {
    if (nothingStaged) await session.query('set transaction read only');
    const others = [keepersOf(table), ...(addsRows ? await untoldIndexes(step) : [])].filter(Boolean);
    if (others.length > 0) tell(`a dry run does not foresee what ${others.join(' or ')} would do`);
    return look();
  });
}

/** Columns of what is foreseen on: whether an earlier row has the same key, and which ones have the same in others. */
const REPEATED_KEY = 'scale_seed_repeated';
const EARLIER = 'scale_seed_earlier';

/** Staged rows, with the earlier ones that are in their way. */
function relationOf(
  { fixture, table }: Step,
  { table: staging }: Staging,
  others: readonly UniqueKey[],
): string {
  const own = keyText(fixture, 's');
  const earlier = others.map((key) => {
    const values = key.columns.map((column) => valueIn(table, column));
    const isWhole = key.nullsNotDistinct
      ? 'true'
      : values.map((value) => `${value} is not null`).join(' and ');
    return `case when ${isWhole} then nullif(first_value(${own}) over (partition by ${values.join(', ')} order by s.ctid), ${own}) end`;
  });
  const identity = identityOf(fixture).map((column) => `s.${quote(column)}`);
  return `(select s.*, row_number() over (partition by ${identity.join(', ')} order by s.ctid) > 1 as ${REPEATED_KEY},
    array[${earlier.join(', ')}]::text[] as ${EARLIER} from ${staging} as s)`;
}

/** The fixture's unique keys as a relation that the server makes, where all count and no parent differs by row. */
function numberedRelation(step: Step, others: readonly UniqueKey[]): string | undefined {
  const { fixture, table } = step;
  if (keysToForesee(step).some((key) => varies(fixture, key))) return undefined;
  const filled = others
    .flatMap((key) => key.columns)
    .flatMap((column) => (column.kind === 'derived' ? column.from : isFixed(column) ? [] : column.name));
  const columns = [...new Set([...identityOf(fixture), ...filled])];
  const texts = columns.map((column) => numberSql(fixture, column));
  const isCounted = others.every((key) => !key.columns.every(isFixed));
  if (!isCounted || texts.includes(undefined)) return undefined;
  const typed = columns.map((column, i) => {
    const { uncut, collate } = columnOf(table, column);
    return `(${texts[i]!})::${uncut}${collate} as ${quote(column)}`;
  });
  return `(select ${typed.join(', ')}, false as ${REPEATED_KEY}, '{}'::text[] as ${EARLIER}
    from generate_series(1, ${fixture.count}) as g)`;
}

/** A column that counts as SQL of the row's number `g`. */
function numberSql({ numberedKeys }: Fixture, column: string): string | undefined {
  const key = numberedKeys[column];
  if (key === undefined) return undefined;
  // lpad() would cut a number that is wider.
  const number = `lpad(g::text, greatest(${key.digits}, length(g::text)), '0')`;
  return `${literal(key.prefix)} || ${number} || ${literal(key.suffix)}`;
}
