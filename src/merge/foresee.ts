import { stage, type Staging } from '../copy/staging.js';
import { identityOf, type Fixture } from '../fixtures/fixture.js';
import { literal, quote } from '../postgres/quote.js';
import type { Counts } from '../report/result.js';
import type { Step } from '../run/step.js';
import { columnOf, rowsOf } from '../table/inspect-table.js';
import { countedKeys } from '../table/keys.js';
import { countPresent } from '../table/marks.js';
import { keyText, sameIdentity } from './expressions.js';

/**
 * What adding a fixture's rows would come to by now: those whose own key stands would be left alone, those of which
 * another key is held by a row of somebody else's would be kept out. What triggers would do, nobody can say.
 */
export async function foreseeMerge(step: Step, staged?: Staging): Promise<Counts> {
  const { session, fixture, table } = step;
  const relation = numberedRelation(step) ?? (staged ?? (await stage(step))).table;
  const others = fixture.conflictKeys.slice(1);
  const holders = others.map((key, i) => {
    const same = key.map((column) => `h${i}.${quote(column)} = s.${quote(column)}`);
    return `left join ${rowsOf(table)} as h${i} on ${same.join(' and ')}`;
  });
  const [column = ''] = identityOf(fixture);
  const standing = `t.${quote(column)} is not null`;
  const held = others.map((_, i) => `h${i}.${quote(column)} is not null`);
  const from = `from ${relation} as s left join ${rowsOf(table)} as t on ${sameIdentity(fixture)} ${holders.join(' ')}`;
  const blocked = `not ${standing} and (${['false', ...held].join(' or ')})`;
  const { rows } = await session.query<{ standing: string; blocked: string }>(
    `select count(*) filter (where ${standing}) as standing, count(*) filter (where ${blocked}) as blocked ${from}`,
  );
  const counts = { standing: Number(rows[0]?.standing), blocked: Number(rows[0]?.blocked) };
  const by = others.map(
    (key, i) =>
      `'row ' || ${keyText(fixture, `h${i}`)} || ${literal(`, which has the same ${key.join(', ')}`)}`,
  );
  const first =
    counts.blocked === 0
      ? undefined
      : await session.query<{ key: string; by: string }>(
          `select ${keyText(fixture, 's')} as key, coalesce(${by
            .map((text, i) => `case when ${held[i]!} then ${text} end`)
            .join(', ')}) as by ${from} where ${blocked} order by 1 limit 1`,
        );
  const inserted = fixture.count - counts.standing - counts.blocked;
  return {
    rows: fixture.count,
    inserted,
    skipped: counts.standing,
    blocked: counts.blocked,
    firstBlocked: first?.rows[0] ?? null,
    present: (await countPresent(session, fixture, table)) + inserted,
  };
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
