import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACTIONS } from './actions.js';
import { momentsOf, type Ending, type Moment } from './moments.js';
import { preparePlace, type Place } from './place.js';
import { runMoment } from './run-moment.js';
import { VARIANTS, type Variant } from './variants.js';

/** Moments in which a command once told what was not so: part of a statement, what another does before it, and when. */
const ONCE_WRONG: readonly [variant: string, statement: string, action: string, ending: Ending][] = [
  ['load-online-set-beyond', 'lock table public.managed', 'delete-standing-half', 'committed at once'],
  ['load-online-row-full', ' commit ', 'delete-fleet', 'committed at once'],
  ['load-create-parents-row', 'insert into public.owners', 'revoke-temporary-tables', 'committed at once'],
  ['load-exclusive-row-half', 'lock table public.', 'hold-parent', 'held'],
  ['reset-online-row', 'create temp table', 'insert-missing-rows-and-a-job', 'committed at once'],
  ['clean-row', 'delete from only public.managed', 'insert-missing-rows-and-a-job', 'committed at once'],
  ['clean-set', 'delete from only public.managed', 'add-trigger-that-keeps-a-row', 'committed at once'],
  ['clean-set', 'delete from only public.managed', 'enable-row-security-of-dependents', 'committed at once'],
  ['clean-confirm-set', 'with gone0', 'delete-job', 'committed at once'],
  ['clean-dry-run', 'select count(*) from public.jobs', 'delete-fleet', 'committed at once'],
];

/** Far from each other, so that neighbours among the actions meet different parts of a command. */
const STRIDE = 13;

let place: Place;

beforeAll(async () => {
  place = await preparePlace();
});

afterAll(async () => {
  await place.close();
});

describe('what a command says is true, and what it leaves is whole, whatever another session does at', () => {
  it.for(VARIANTS)('a moment of $name', async (variant) => {
    const { statements, ...undisturbed } = await runMoment(place, variant);
    const results = [undisturbed];
    for (const moment of chosen(variant, statements)) results.push(await runMoment(place, variant, moment));
    const wrong = results.flatMap(({ name, violations }) =>
      violations.map(({ kind, what }) => `npm run interleavings -- --only "${name}": ${kind}: ${what}`),
    );
    expect(wrong).toEqual([]);
  });
});

/** Every action meets one command, every command some actions. */
function chosen(variant: Variant, statements: readonly string[]): Moment[] {
  const all = momentsOf(variant, statements, true);
  const own = ACTIONS.flatMap((action, index) => {
    if (VARIANTS[index % VARIANTS.length] !== variant) return [];
    const moments = all.filter((moment) => moment.action === action && moment.ending !== 'held');
    return moments[(index * STRIDE) % moments.length] ?? [];
  });
  const once = ONCE_WRONG.filter(([name]) => name === variant.name).map(([, statement, action, ending]) => {
    const moment = all.findLast(
      (one) => one.name.includes(statement) && one.action.name === action && one.ending === ending,
    );
    if (moment === undefined)
      throw new Error(`${variant.name} sends no ${statement}: ${statements.join('\n')}`);
    return moment;
  });
  return [...own, ...once];
}
