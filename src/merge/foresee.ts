import { stage } from '../copy/staging.js';
import { ScaleSeedError } from '../errors.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { literal, quote } from '../postgres/quote.js';
import type { Blocked, Counts } from '../report/result.js';
import type { Step } from '../run/step.js';
import { isSharded } from '../table/citus.js';
import { columnOf, rowsOf } from '../table/inspect-table.js';
import { countedKeys } from '../table/keys.js';
import { keyText, sameIdentity } from './expressions.js';
import type { StepKeys } from './keys.js';

/**
 * What adding a fixture's rows would come to by now: those whose own key stands would be left alone, those of which
 * another key is held by another row would be kept out. Where `keys` are given rows are restored: then those of the
 * fixture itself hold nothing back. What triggers would do, nobody can say.
 *
 * @throws ScaleSeedError `conflict` where a row that stands could not be restored.
 */
export async function foreseeMerge(step: Step, keys?: StepKeys): Promise<Counts> {
  const { session, fixture, table } = step;
  const relation = numberedRelation(step) ?? (keys?.staged ?? (await stage(step))).table;
  const identity = identityOf(fixture);
  // On several shards no other key than the first is unique.
  const others = isSharded(table) ? [] : fixture.conflictKeys.slice(1);
  const holders = others.map((key, i) => {
    const same = key.map((column) => `h${i}.${quote(column)} = s.${quote(column)}`);
    return `left join ${rowsOf(table)} as h${i} on ${same.join(' and ')}`;
  });
  const stands = `t.${quote(identity[0]!)} is not null`;
  const held = others.map((_, i) => {
    const own = keys?.hold(identity.map((column) => `h${i}.${quote(column)}`)) ?? 'false';
    return `h${i}.${quote(identity[0]!)} is not null and not ${own}`;
  });
  const anyHeld = ['false', ...held.map((one) => `(${one})`)].join(' or ');
  const by = others.map(
    (key, i) =>
      `when ${held[i]!} then 'row ' || ${keyText(fixture, `h${i}`)} || ${literal(`, which has the same ${key.join(', ')}`)}`,
  );
  const from = `from ${relation} as s left join ${rowsOf(table)} as t on ${sameIdentity(fixture)} ${holders.join(' ')}`;
  const { rows } = await session.query<Record<'standing' | 'blocked' | 'stuck', string>>(
    `select count(*) filter (where ${stands}) as standing,
       count(*) filter (where not ${stands} and (${anyHeld})) as blocked,
       count(*) filter (where ${stands} and (${anyHeld})) as stuck ${from}`,
  );
  const findFirst = async (condition: string): Promise<Blocked> => {
    const first = await session.query<Blocked>(
      `select ${keyText(fixture, 's')} as key, case ${by.join(' ')} end as by
       ${from} where ${condition} and (${anyHeld}) order by 1 limit 1`,
    );
    return first.rows[0]!;
  };
  const [standing, blocked] = [Number(rows[0]?.standing), Number(rows[0]?.blocked)];
  if (keys !== undefined && Number(rows[0]?.stuck) > 0) throw stuck(fixture, await findFirst(stands));
  const inserted = fixture.count - standing - blocked;
  return {
    rows: fixture.count,
    inserted,
    skipped: standing,
    blocked,
    firstBlocked: blocked === 0 ? null : await findFirst(`not ${stands}`),
    present: standing + inserted,
  };
}

function stuck({ name }: Fixture, { key, by }: Blocked): ScaleSeedError {
  return new ScaleSeedError(`fixture ${name}: ${key} cannot be restored: in its way is ${by}`, {
    code: 'conflict',
    phase: 'reset',
    fixture: name,
    hint: 'change or delete that row first',
  });
}

/** Has the server see to it that nothing is written, where no row has to be staged. */
export async function forbidWriting(step: Step): Promise<void> {
  const nothingStaged =
    numberedRelation(step) !== undefined && countedKeys(step.fixture, step.table) !== undefined;
  if (nothingStaged) await step.session.query('set transaction read only');
}

/** The fixture's unique keys as a relation that the server makes, where all of them count. */
function numberedRelation({ fixture, table }: Step): string | undefined {
  const columns = [...new Set(fixture.conflictKeys.flat())];
  const texts = columns.map((column) => numberSql(fixture, column));
  if (texts.includes(undefined)) return undefined;
  const typed = columns.map((column, i) => {
    const { uncut, collate } = columnOf(table, column);
    return `(${texts[i]!})::${uncut}${collate} as ${quote(column)}`;
  });
  return `(select ${typed.join(', ')} from generate_series(1, ${fixture.count}) as g)`;
}

/** A column that counts as SQL of the row's number `g`. */
function numberSql({ numberedKeys }: Fixture, column: string): string | undefined {
  const key = numberedKeys[column];
  if (key === undefined) return undefined;
  // lpad() would cut a number that is wider.
  const number = `lpad(g::text, greatest(${key.digits}, length(g::text)), '0')`;
  return `${literal(key.prefix)} || ${number} || ${literal(key.suffix)}`;
}
