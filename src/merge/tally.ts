import type { Staging } from '../copy/staging.js';
import { countingKey, identityOf } from '../fixtures/fixture.js';
import { literal, quote } from '../postgres/quote.js';
import type { Blocked, Counts } from '../report/result.js';
import type { Step } from '../run/step.js';
import { rowsOf } from '../table/inspect-table.js';
import { countedCondition } from '../table/keys.js';
import { markCondition } from '../table/marks.js';
import type { Standing } from '../table/survey.js';
import { findBlocked, OTHER_SESSION, UNKNOWN } from './blocked.js';
import { sameIdentity } from './expressions.js';

/** Rows at the commit: of the mark, counted by key, and such as were found standing and have lost their mark. */
export type LastLook = Record<'marked' | 'counted' | 'unmarked', number>;

/** Keys of rows that were found standing, of fixtures whose keys do not count. */
const STOOD = 'scale_seed_stood';

/**
 * Counts what was left out of a merge by why: a row whose own key stands was skipped, any other was kept out. What was found
 * standing is counted again with the commit, since others may have deleted it by then.
 */
export class Tally {
  readonly #on: Step;
  /** Rows whose own key was found standing, those that were inserted among them. */
  #standing: number;
  /** Rows of batches of which every row was inserted. */
  #whole = 0;
  /** Rows that were inserted, and that row security hides from the role. */
  #hidden = 0;
  #keepsKeys = false;
  #first: Blocked | null = null;

  /** `stood`: rows that were not sent, since all of them stand. */
  constructor(on: Step, stood: number) {
    this.#on = on;
    this.#standing = stood;
  }

  /** Adds a batch that has just been merged and is still staged. */
  async add(staging: Staging, rows: number, inserted: number): Promise<void> {
    const { userTriggers, rules, rowsHidden } = this.#on.table;
    // What was inserted may have been changed, or be gone again; keys that count are counted in the end.
    const staysAsItIs = userTriggers.length + rules.length === 0;
    const isSure = countingKey(this.#on.fixture) !== undefined || staysAsItIs;
    if (inserted === rows && isSure && !rowsHidden) {
      this.#whole += rows;
      this.#standing += rows;
      return;
    }
    const visible = await this.#countStanding(staging);
    const standing = rowsHidden && staysAsItIs ? Math.max(visible, inserted) : visible;
    this.#hidden += standing - visible;
    this.#standing += standing;
    if (standing < rows) this.#first ??= await findBlocked(this.#on, staging);
  }

  get standing(): number {
    return this.#standing;
  }

  /** What stands in the end, to be awaited after the commit; not counted again if nothing has changed since a survey. */
  async lookAtCommit(known?: Standing): Promise<LastLook> {
    const { fixture, table } = this.#on;
    const counting = countingKey(fixture);
    const from = `from ${rowsOf(table)} as t`;
    const marked = `count(*) filter (where ${markCondition(fixture.mark)})`;
    if (counting !== undefined) {
      const held = countedCondition(counting.key, fixture.count, `t.${quote(counting.column)}`, literal);
      return this.#lookAtCommit(`select array[${marked}, count(*) filter (where ${held})] ${from}`, known);
    }
    if (!this.#keepsKeys) return this.#lookAtCommit(`select array[${marked}, ${this.#whole}] ${from}`);
    const stood = `select t.* from pg_temp.${quote(STOOD)} as s join ${rowsOf(table)} as t on ${sameIdentity(fixture, table)}`;
    const lost = `count(*) filter (where (${markCondition(fixture.mark)}) is not true)`;
    return this.#lookAtCommit(
      `select array[(select ${marked} ${from})] ||
         (select array[${this.#whole} + count(*), ${lost}] from (${stood}) as stood)`,
    );
  }

  async #lookAtCommit(counts: string, known?: Standing): Promise<LastLook> {
    const { session, table } = this.#on;
    // What is done at the end of the transaction is done before it is counted.
    if (table.userTriggers.length > 0) session.soon('set constraints all immediate');
    const isKnown =
      known === undefined || table.distributed
        ? 'false'
        : `pg_current_snapshot()::text = ${literal(known.snapshot)}`;
    const [row] = await session.atCommit<{ counts: string[] | null }>(
      `select case when ${isKnown} then null else (${counts})::text[] end as counts`,
    );
    const [marked = known?.present, counted = known?.upTo, unmarked = 0] = row?.counts ?? [];
    const hidden = this.#hidden;
    return { marked: Number(marked) + hidden, counted: Number(counted) + hidden, unmarked: Number(unmarked) };
  }

  async #countStanding({ table: staging }: Staging): Promise<number> {
    const { session, fixture, table } = this.#on;
    const key = identityOf(fixture).map((column) => `s.${quote(column)}`);
    const joined = `from ${staging} as s join ${rowsOf(table)} as t on ${sameIdentity(fixture, table)}`;
    if (countingKey(fixture) !== undefined) {
      const sql = `select count(distinct (${key.join(', ')})) as standing ${joined}`;
      return Number((await session.first<{ standing: string }>(sql))?.standing);
    }
    const keys = `select distinct ${key.join(', ')} ${joined}`;
    const keeping = this.#keepsKeys
      ? `insert into pg_temp.${quote(STOOD)} ${keys}`
      : `create temp table ${quote(STOOD)} on commit drop as ${keys}`;
    this.#keepsKeys = true;
    return session.change(keeping);
  }

  counts(inserted: number, { marked, counted, unmarked }: LastLook): Counts {
    const { fixture } = this.#on;
    const rows = fixture.count;
    // A key that the fixture repeats is counted twice where it was inserted in another batch.
    const present = countingKey(fixture) === undefined ? Math.min(counted, marked + unmarked) : counted;
    const blocked = rows - present;
    // A row that was inserted and is gone again was not added.
    const added = Math.min(inserted, present);
    return {
      rows,
      inserted: added,
      skipped: present - added,
      blocked,
      firstBlocked: blocked === 0 ? null : (this.#first ?? this.#gone(inserted)),
      present,
    };
  }

  /** What may have taken rows away that were found standing. */
  #gone(inserted: number): Blocked {
    const { userTriggers, rules, rowsHidden } = this.#on.table;
    const suspects = [
      userTriggers.length + rules.length > 0 && 'a trigger that deletes or changes what was inserted',
      rowsHidden && 'row security, which may hide rows that stand from the role',
      this.#standing > inserted && OTHER_SESSION,
    ].filter(Boolean);
    return { key: UNKNOWN, by: suspects.join(' or ') || 'something that is not known' };
  }
}
