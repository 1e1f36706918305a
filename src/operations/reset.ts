import { fingerprintOf } from '../encode/fingerprint.js';
import { refusal } from '../errors.js';
import { foresee, foreseeMerge } from '../merge/foresee.js';
import { foreseeRefusal } from '../merge/foresee-refusal.js';
import { summarizeChecks } from '../merge/foreign-keys.js';
import {
  atLeast,
  countHanging,
  deleteHanging,
  exceed,
  foreseeHanging,
  refuseKept,
} from '../merge/hanging.js';
import { inTurn, keysOf, leftBehind, rootsAtSight, rootsOf, type StepKeys } from '../merge/keys.js';
import { countRecords } from '../merge/records.js';
import { loadPlan, type LoadPlan } from '../merge/load-fixture.js';
import { claimFixture, foreseeCheck, restoreFixture, type Claimed } from '../merge/restore-fixture.js';
import { releaseReferences } from '../merge/restore.js';
import { ask, oneByOne, untilAgreed } from '../merge/until-agreed.js';
import type { Dependents, ResetFixture, ResetReport, RowsOf } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { formatRows, listRows } from '../report/units.js';
import { withDatabase } from '../run/context.js';
import { askForTurn, lockFixture } from '../run/lock-fixture.js';
import type { DryRunOptions } from '../run/options.js';
import { orAborted } from '../run/or-aborted.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import type { Opened } from '../postgres/session.js';
import { whichRows, type Step } from '../run/step.js';
import { stopwatch } from '../report/clock.js';
import type { Roots, RowsByTable } from '../table/dependents.js';
import { watchEffects } from '../table/effects.js';
import { needsToAdd, type AddOptions, type LoadOptions } from './load.js';

/** What of other tables is about to be deleted. */
export interface ResetPlan {
  fixture: string;
  schema: string;
  table: string;
  dependents: Dependents[];
}

export interface ResetOptions extends AddOptions, DryRunOptions {
  /**
   * Where foreign keys are checked by set the rows are loaded anew. `online` (the default) lets readers go on; who writes to
   * the table waits until the reset is through. `exclusive` keeps readers waiting, and where that is quicker rewrites the
   * table without the old rows and rebuilds plain indexes; as after a truncation, a transaction whose snapshot is older finds
   * the table empty. Elsewhere the rows are updated in either mode, and only who writes to them waits.
   */
  mode?: LoadOptions['mode'];
  /** How long a reset that locks the table waits for locks, in milliseconds; 10 s by default. */
  lockTimeoutMs?: number | undefined;
  /** Leave what hangs on the rows. */
  keepDependents?: boolean | undefined;
  /**
   * Asked before what hangs on a fixture's rows is deleted, and again if by the time of the answer more would go; the
   * fixture stays as it is where the answer is false. The signal says that nobody waits for the answer any more.
   */
  confirm?: ((plan: ResetPlan, signal: AbortSignal) => Promise<boolean>) | undefined;
}

/**
 * Makes fixtures what a fresh load would make of them, on a fresh anchor: rows get their values again, missing ones are
 * added, and what a run has left hanging on them is deleted; touches no other row. Each fixture in one transaction.
 *
 * @throws ScaleSeedError; fixtures that had been committed by then stand, and its `state` names them.
 */
export function reset(options: ResetOptions = {}): Promise<ResetReport> {
  return withDatabase('reset', options, async (context) => {
    const { dryRun = false, keepDependents = false, mode = 'online' } = options;
    const gone: RowsByTable = new Map();
    const { base, anchor, fixtures } = await runOnFixtures<ResetFixture>(context, oneByOne(options), {
      ...needsToAdd(options),
      privileges: ['select', 'insert', 'update'],
      inTurn: true,
      check: keepDependents ? undefined : refuseKept(),
      changed: ({ restored, inserted }) => restored + inserted > 0,
      dependents: (fixture) => fixture.dependents,
      reads: dryRun,
      work: (step) => (dryRun ? foreseeReset(step, keepDependents, gone) : resetFixture(step, options)),
    });
    const foreignKeys = summarizeChecks(fixtures.map((fixture) => fixture.foreignKeys));
    return rounded({ ...base, command: 'reset', dryRun, mode, anchor, foreignKeys, fixtures });
  });
}

async function resetFixture(step: Step, options: ResetOptions): Promise<ResetFixture> {
  const { fixture, enter, transaction } = step;
  const total = stopwatch();
  const work = async (opened: Opened) => {
    await lockFixture(step, opened);
    const keys = await keysOf(step);
    enter('reset');
    const plan = loadPlan(options);
    const { claimed, ...hanging } =
      options.keepDependents === true
        ? await keepHanging(step, keys, plan)
        : await clearHanging(step, keys, plan, options.confirm);
    const { inserted, tally, ...restored } = await restoreFixture(claimed, keys, plan);
    const result = { ...restored, foreignKeys: claimed.foreignKeys, ...hanging };
    return { result, inserted, tally, look: tally.lookAtCommit() };
  };
  const { result, inserted, tally, look } = await transaction(work, { opening: askForTurn(step) });
  const last = await look;
  const strangers = fixture.growable ? 0 : last.marked - last.counted;
  if (strangers > 0)
    step.tell(
      `${formatRows(strangers)} with its mark that the fixture does not have: left alone, and unexpected to verify`,
    );
  return { ...whichRows(step), ...tally.counts(inserted, last), ...result, timings: { totalMs: total() } };
}

/**
 * What became of the rows that hang on a fixture, and the step on the table as it was claimed. What is recorded is counted
 * before that: a log only grows, and writers to the table would wait for as long as it takes to read.
 */
type Hanging = Pick<ResetFixture, 'dependents' | 'kept' | 'records'> & { claimed: Claimed };

/** Deletes what hangs on the rows, after saying what, or if the answer is yes. */
async function clearHanging(
  step: Step,
  keys: StepKeys,
  plan: LoadPlan,
  confirm: ResetOptions['confirm'],
): Promise<Hanging> {
  const { session, fixture, table, tell } = step;
  const roots = leftBehind(rootsOf(step, keys), step);
  // The table is claimed first: no more comes to hang on it.
  const clear = async (): Promise<Hanging> => {
    const records = await countRecords(step, keys);
    const claimed = await claimFixture(step, keys, plan);
    const foreseen = await foreseeHanging(session, roots);
    if (foreseen.length > 0 && confirm === undefined)
      tell(`what hangs on it is deleted: ${listRows(foreseen)}`);
    if (foreseen.length > 0) await releaseReferences(claimed.step, keys);
    const tellEffects = await watchEffects(session, roots);
    await deleteHanging(session, roots);
    return { claimed, dependents: await tellEffects(0, foreseen), kept: [], records };
  };
  if (confirm === undefined) return clear();
  const named = { fixture: fixture.name, schema: table.schema, table: table.name };
  return untilAgreed<Dependents[], Hanging>(step, {
    foresee: async (found) => atLeast(await foreseeHanging(session, roots), found),
    agree: async (asked) => asked.length === 0 || ask(session, confirm, { ...named, dependents: asked }),
    async act(asked) {
      const cleared = await clear();
      return exceed(cleared.dependents, asked) ? { more: cleared.dependents } : { done: cleared };
    },
    refused: () => {
      const message = 'not reset: the answer was no, so what hangs on it stays';
      const hint = '--keep-dependents resets the rows alone';
      throw refusal(message, hint, { code: 'conflict', phase: 'reset' });
    },
  });
}

async function keepHanging(step: Step, keys: StepKeys, plan: LoadPlan): Promise<Hanging> {
  const records = await countRecords(step, keys);
  const claimed = await claimFixture(step, keys, plan);
  const kept = await countKept(step, leftBehind(rootsOf(step, keys), step));
  if (kept.length > 0) step.tell(`what hangs on it is left: ${listRows(kept)}`);
  return { claimed, dependents: [], kept, records };
}

async function countKept({ session, tell }: Step, roots: Roots): Promise<RowsOf[]> {
  const { hanging, unread } = await countHanging(session, roots);
  if (unread.length > 0)
    tell(`what hangs on it of ${unread.join(', ')} is left: the role may not read all of it`);
  return hanging;
}

async function foreseeReset(step: Step, keepDependents: boolean, gone: RowsByTable): Promise<ResetFixture> {
  const { session, fixture, context } = step;
  const total = stopwatch();
  return foresee(step, async () => {
    const keys = await keysOf(step);
    const counts = await foreseeMerge(step, keys);
    const roots = leftBehind(rootsOf(step, keys), step);
    const atSight = leftBehind(rootsAtSight(step), step);
    const hanging = (these: Roots) => foreseeHanging(session, these, true);
    const foreignKeys = await foreseeCheck(step, roots);
    await foreseeRefusal(step, foreignKeys.check === 'set' ? 'delete' : 'update');
    return {
      ...whichRows(step),
      ...counts,
      restored: counts.skipped,
      fingerprint: await orAborted(fingerprintOf(fixture), context.signal),
      foreignKeys,
      rebuiltIndexes: [],
      overruled: [],
      dependents: keepDependents ? [] : await inTurn(keys, { roots, atSight, gone }, hanging),
      kept: keepDependents ? await countKept(step, roots) : [],
      records: await countRecords(step, keys),
      timings: { totalMs: total() },
    };
  });
}
