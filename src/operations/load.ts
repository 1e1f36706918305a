import { foreseeExclusive } from '../merge/exclusive.js';
import { foresee, foreseeMerge } from '../merge/foresee.js';
import { chooseForeignKeyCheck, summarizeChecks } from '../merge/foreign-keys.js';
import { loadFixture, loadPlan, refuseExclusive, type LoadPlan } from '../merge/load-fixture.js';
import { fingerprintOf } from '../encode/fingerprint.js';
import { translateError } from '../postgres/translate-error.js';
import type { Failure, LoadedFixture, LoadReport, VerifyReport } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { joinFailures, named, ofSeveral } from '../report/schemas.js';
import { formatCount, formatRows } from '../report/units.js';
import { withDatabase, type RunContext } from '../run/context.js';
import type { DryRunOptions, FixtureOptions } from '../run/options.js';
import { orAborted } from '../run/or-aborted.js';
import type { Needs } from '../run/prepare.js';
import { withHeadStart } from '../run/head-start.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import { whichRows, type Step } from '../run/step.js';
import { stopwatch } from '../report/clock.js';
import { verifyOn, type VerifyOptions } from './verify.js';
import { confirmationOf } from '../fixtures/fixture.js';

/** What operations take that add rows. */
export interface AddOptions extends FixtureOptions {
  /** Insert the parent rows that are missing, before and apart from the fixtures: they stay if the load fails. */
  createParents?: boolean | undefined;
  /** Load into a database that looks like a real fleet. */
  force?: boolean | undefined;
  /** VACUUM (ANALYZE) the tables afterwards; true by default. */
  settle?: boolean | undefined;
}

export interface LoadOptions extends AddOptions, DryRunOptions {
  /**
   * `online` (the default) never blocks readers or writers. `exclusive` locks each table while its rows are merged, and
   * rebuilds plain indexes in the same transaction where that is quicker; for an owner who cannot set
   * session_replication_role foreign keys, too, which locks the tables that they refer to.
   */
  mode?: 'online' | 'exclusive' | undefined;
  /** How long exclusive mode waits for locks, in milliseconds; 10 s by default. */
  lockTimeoutMs?: number | undefined;
  /** Read the rows back afterwards, as `verify` does; not of a dry run, which adds none. */
  verify?: boolean | undefined;
}

/**
 * Loads fixtures: rows that stand are left alone, rows that are missing are added, each fixture in one transaction.
 *
 * @throws ScaleSeedError; fixtures that had been committed by then stand, and its `state` names them.
 */
export function load(options: LoadOptions = {}): Promise<LoadReport> {
  return withDatabase('load', options, async (context) => {
    const report = await loadOn(context, options);
    if (options.verify !== true) return rounded(report);
    const verified = await verifyLoaded(context, options, report);
    return rounded({ ...report, verified, failures: joinFailures(report.failures, verified.failures) });
  });
}

/** Loads fixtures into a database that is at hand, once each of them has passed a `check`. */
export async function loadOn(
  context: RunContext,
  options: LoadOptions,
  check?: Needs['check'],
): Promise<LoadReport> {
  const { dryRun = false } = options;
  const plan = loadPlan(options);
  const { base, anchor, fixtures } = await runOnFixtures<LoadedFixture>(context, options, {
    ...needsToAdd(options),
    survey: true,
    check,
    privileges: ['select', 'insert'],
    changed: ({ inserted }) => inserted > 0,
    reads: dryRun,
    work: dryRun ? (step) => foreseeLoad(step, plan) : withHeadStart((step) => loadFixture(step, plan)),
  });
  const several = ofSeveral({ ...base, fixtures });
  for (const { name, schema, confirmation } of dryRun ? [] : fixtures) {
    const line = several ? `${schema}: ${confirmation}` : confirmation;
    context.onEvent({ type: 'confirmation', fixture: name, line });
  }
  return {
    ...base,
    command: 'load',
    dryRun,
    mode: plan.mode,
    anchor,
    foreignKeys: summarizeChecks(fixtures.map(({ foreignKeys }) => foreignKeys)),
    fixtures,
  };
}

/** Verifies what has just been loaded; what fails then says what of the load stands, in one schema or in each of several. */
export async function verifyLoaded(
  context: RunContext,
  options: VerifyOptions,
  report: LoadReport,
): Promise<VerifyReport> {
  const told = [...report.fixtures, ...report.failures].flatMap(({ schema }) => schema ?? []);
  const schemas = [...new Set(told)];
  const known = options.schemas && schemas;
  const verified = await verifyOn(context, options, known).catch((thrown: unknown) => {
    const error = translateError(thrown, { phase: 'verify' });
    if (!ofSeveral(report)) throw error.with({ state: stateAfter(report) });
    const failures = schemas.map((schema) => ({ schema, ...error.with({ phase: 'verify' }).toJSON() }));
    return unverified(report, options, failures);
  });
  const failures = verified.failures.map((failure) => {
    const inSchema = <One extends { schema: string | null }>(all: readonly One[]): One[] =>
      all.filter(({ schema }) => schema === failure.schema);
    const own = { fixtures: inSchema(report.fixtures), failures: inSchema(report.failures) };
    const state = own.fixtures.length === 0 ? own.failures[0]?.state : stateAfter(own);
    return { ...failure, ...(state === undefined ? {} : { state }) };
  });
  return { ...verified, failures };
}

/** The verification of several schemas that was over before it had reached any: what was done in them is still told. */
function unverified(report: LoadReport, { live = false }: VerifyOptions, failures: Failure[]): VerifyReport {
  const { version, startedAt, database, server, jobs, peakRssBytes } = report;
  const base = { version, startedAt, database, server, jobs, peakRssBytes, failures };
  const timings = { connectMs: 0, waitMs: 0, workMs: 0, settleMs: 0, totalMs: 0 };
  return { ...base, command: 'verify', live, intact: false, fixtures: [], timings };
}

/** What stands once a load is through. */
export function stateAfter(report: Pick<LoadReport, 'fixtures' | 'failures'>): string {
  const { failures } = report;
  const short = named(report).filter(({ present, rows }) => present < rows);
  if (failures.length + short.length === 0) return 'everything is loaded and committed';
  return [
    'what could be loaded is committed',
    ...short.map(
      ({ name, present, rows }) => `of ${name} ${formatCount(present)} of ${formatRows(rows)} are there`,
    ),
    ...failures.map(({ schema, message }) => `${schema === null ? '' : `${schema}: `}${message}`),
  ].join('; ');
}

/** What adding rows asks of a run. */
export function needsToAdd(options: AddOptions & DryRunOptions) {
  const { createParents, force, settle = true, dryRun = false } = options;
  const parents = createParents === true ? (dryRun ? 'foresee' : 'create') : 'require';
  return { parents, guard: force !== true, settle: settle && !dryRun } as const;
}

async function foreseeLoad(step: Step, plan: LoadPlan): Promise<LoadedFixture> {
  const { fixture, context, standing } = step;
  refuseExclusive(step, plan);
  const total = stopwatch();
  const isExclusive = plan.mode === 'exclusive' && standing!.upTo < fixture.count;
  return foresee(step, async () => {
    const foreignKeys = isExclusive ? await foreseeExclusive(step, standing!) : chooseForeignKeyCheck(step);
    const counts = await foreseeMerge(step);
    return {
      ...whichRows(step),
      ...counts,
      fingerprint: await orAborted(fingerprintOf(fixture), context.signal),
      copiedBytes: 0,
      merge: 'none',
      rebuiltIndexes: [],
      foreignKeys,
      timings: { copyMs: 0, mergeMs: 0, totalMs: total() },
      rowsPerSecond: 0,
      confirmation: confirmationOf(fixture, standing!.present + counts.inserted),
    };
  });
}
