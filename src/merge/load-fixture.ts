import { Staging, type Range } from '../copy/staging.js';
import { fingerprintOf } from '../encode/fingerprint.js';
import { ScaleSeedError } from '../errors.js';
import type { Counts, LoadedFixture, MergeStrategy } from '../report/result.js';
import { formatCount } from '../report/units.js';
import { lockFixture, lockLoaders } from '../run/lock-fixture.js';
import { orAborted } from '../run/or-aborted.js';
import type { Step } from '../run/step.js';
import { stopwatch } from '../run/stopwatch.js';
import { countPresent } from '../table/marks.js';
import { hasChanged, surveyTable } from '../table/survey.js';
import { eachBatch, FIRST_BATCH_ROWS } from './batches.js';
import { nameRepeated, Tally } from './blocked.js';
import { dropPlainIndexes, lockTable, nameHolders, rebuildIndexes, type PlainIndex } from './exclusive.js';
import { chooseForeignKeyCheck, heedTriggers, lockParents, takeOverForeignKeys } from './foreign-keys.js';
import { mergeStaged } from './merge.js';

/** How fixtures are to be loaded. */
export interface LoadPlan {
  mode: 'online' | 'exclusive';
  /** How long exclusive mode waits for a table. */
  lockTimeoutMs: number;
}

/** The same out of an operation's options. */
export function loadPlan({
  mode = 'online',
  lockTimeoutMs = 10_000,
}: {
  [Part in keyof LoadPlan]?: LoadPlan[Part] | undefined;
}): LoadPlan {
  return { mode, lockTimeoutMs };
}

/** What the transaction of a fixture did. */
interface Loaded extends Pick<LoadedFixture, 'copiedBytes' | 'merge' | 'foreignKeys' | 'rebuiltIndexes'> {
  inserted: number;
  tally: Tally;
  /** Rows of the fixture's mark that stand. */
  marked: number;
  /** Of the rows that were sent, where that were all. */
  fingerprint: string | undefined;
  copyMs: number;
  mergeMs: number;
}

/**
 * Loads a fixture in one transaction, all or nothing: finds out which of its rows stand, streams the others into a
 * staging table, and merges them from there.
 */
export async function loadFixture(step: Step, plan: LoadPlan): Promise<LoadedFixture> {
  const { fixture, table, session, context, transaction } = step;
  if (table.distributed && plan.mode === 'exclusive') throw exclusiveOnWorkers(step);
  const total = stopwatch();
  const loaded = await transaction(() => loadInTransaction(step, plan)).catch(async (error: unknown) => {
    throw await nameHolders(session, table, error);
  });
  const totalMs = total();
  const { inserted, tally, marked, copyMs, mergeMs, fingerprint, ...rest } = loaded;
  const counts = await nameRepeated(fixture, tally.counts(fixture.count, inserted, marked));
  if (counts.firstBlocked !== null) context.onNotice(blockedNotice(fixture.name, counts));
  return {
    name: fixture.name,
    schema: table.schema,
    table: table.name,
    ...counts,
    fingerprint: fingerprint ?? (await orAborted(fingerprintOf(fixture), context.signal)),
    ...rest,
    timings: { copyMs, mergeMs, totalMs },
    rowsPerSecond: Math.round(inserted / (totalMs / 1000)),
    confirmation: fixture.confirmation(marked),
  };
}

function blockedNotice(name: string, { blocked, rows, firstBlocked }: Counts): string {
  const first = `the first is ${firstBlocked?.key ?? ''}, in whose way is ${firstBlocked?.by ?? ''}`;
  return `${name}: ${formatCount(blocked)} of ${formatCount(rows)} rows could not be added: ${first}`;
}

async function loadInTransaction(step: Step, plan: LoadPlan): Promise<Loaded> {
  const { fixture, table, session, server, enter, count } = step;
  const { missing, noneAfter, present } = await findMissing(step, plan);
  const stood = missing.first - 1;
  if (stood > 0) count('merge', stood);
  const tally = new Tally(step, stood);
  if (missing.first > missing.last) {
    const foreignKeys = chooseForeignKeyCheck(fixture, table, server.mayReplicate);
    return { ...NOTHING_TO_DO, tally, marked: present, foreignKeys };
  }

  enter('copy');
  const working = stopwatch();
  const staging = await Staging.open(step, missing);
  try {
    await staging.copy(FIRST_BATCH_ROWS);
    enter('merge');
    const rowsToCome = missing.last - missing.first + 1;
    const dropped = plan.mode === 'exclusive' ? await claim(step, rowsToCome, plan) : [];
    const merged = await mergeBatches(step, staging, noneAfter, tally);
    await staging.refuseUnrepeatable();
    if (dropped.length > 0) {
      enter('index');
      if (server.mayReplicate) await heedTriggers(session);
      await rebuildIndexes(session, dropped);
    }
    const marked = await countPresent(session, fixture, table);
    return {
      ...merged,
      tally,
      marked,
      copiedBytes: staging.bytes,
      fingerprint: stood === 0 ? staging.fingerprint() : undefined,
      rebuiltIndexes: dropped.map(({ name }) => name),
      copyMs: staging.copyMs,
      mergeMs: working() - staging.copyMs,
    };
  } finally {
    staging.close();
  }
}

const NOTHING_TO_DO: Omit<Loaded, 'tally' | 'marked' | 'foreignKeys'> = {
  inserted: 0,
  copiedBytes: 0,
  merge: 'none',
  fingerprint: undefined,
  rebuiltIndexes: [],
  copyMs: 0,
  mergeMs: 0,
};

/** The rows that have to be sent, once no other loader is at work on the fixture. */
async function findMissing(
  step: Step,
  { mode }: LoadPlan,
): Promise<{ missing: Range; noneAfter: boolean; present: number }> {
  const { fixture, table, session } = step;
  const waited = await lockFixture(step);
  if (mode === 'exclusive') await lockLoaders(step);
  const before = step.standing!;
  // Whoever was waited for has probably loaded the rows; rows that are to be built upon may have been deleted meanwhile.
  const stale = waited || (before.upTo > 0 && (await hasChanged(session, table, before)));
  const survey = stale ? await surveyTable(session, table, [fixture]) : undefined;
  const { upTo, noneAfter, present } = survey?.standing.get(fixture) ?? before;
  return { missing: { first: Math.min(upTo, fixture.count) + 1, last: fixture.count }, noneAfter, present };
}

/** Merges the batch that is staged, then copies and merges the others. */
async function mergeBatches(
  step: Step,
  staging: Staging,
  noneStands: boolean,
  tally: Tally,
): Promise<Pick<Loaded, 'inserted' | 'merge' | 'foreignKeys'>> {
  const { fixture, session } = step;
  const { anchor } = step.server;
  const { table, foreignKeys } = await takeOverForeignKeys(step);
  // On Citus's workers a plain insert that fails might take more than its savepoint back with it.
  const plainInsert = noneStands && !table.distributed;
  let merge: MergeStrategy = plainInsert ? 'insert' : 'on conflict';
  let inserted = 0;
  await eachBatch(step, staging, 'merge', async (rows, first) => {
    if (foreignKeys.check === 'set') await lockParents(session, fixture, table, staging, first);
    const merged = await mergeStaged(session, fixture, table, staging, anchor, merge === 'insert');
    merge = merged.strategy;
    inserted += merged.inserted;
    await tally.add(staging, rows, merged.inserted);
  });
  return { inserted, merge, foreignKeys };
}

function exclusiveOnWorkers({ fixture, table: { schema, name } }: Step): ScaleSeedError {
  return new ScaleSeedError(`exclusive mode is not for ${schema}.${name}: Citus keeps it on its workers`, {
    code: 'usage',
    phase: 'prepare',
    fixture: fixture.name,
    table: `${schema}.${name}`,
    hint: 'load with --mode online',
  });
}

/** Locks the table for exclusive mode, and drops the indexes that are quicker to build again afterwards. */
async function claim(step: Step, rowsToCome: number, { lockTimeoutMs }: LoadPlan): Promise<PlainIndex[]> {
  await lockTable(step, lockTimeoutMs);
  return dropPlainIndexes(step, rowsToCome);
}
