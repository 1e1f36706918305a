import { Staging, type Range } from '../copy/staging.js';
import type { TableInfo } from '../table/inspect-table.js';
import { lockFixture, lockLoaders } from '../run/lock-fixture.js';
import type { Session } from '../postgres/session.js';
import { hasChanged, surveyTable } from '../table/survey.js';
import { ScaleSeedError } from '../errors.js';
import { timestampText } from '../fixtures/timestamp.js';
import { dropPlainIndexes, lockTable, nameHolders, rebuildIndexes, type PlainIndex } from './exclusive.js';
import { chooseForeignKeyCheck, heedTriggers, lockParents, takeOverForeignKeys } from './foreign-keys.js';
import { mergeStaged } from './merge.js';
import type { ForeignKeyCheck, MergeStrategy } from '../report/result.js';
import { stopwatch } from '../run/stopwatch.js';
import type { Step } from '../run/run.js';

/** How a fixture, or a part of one, is to be loaded. */
export interface LoadPlan {
  mode: 'online' | 'exclusive';
  lockTimeoutMs: number;
  /** The fixture is loaded in several transactions. */
  parts: boolean;
}

/** What a transaction did. */
export interface LoadedRange {
  inserted: number;
  /** Rows of the fixture's mark, where nothing was sent and they are still those that were counted. */
  present: number | undefined;
  sentRows: number;
  sentBytes: number;
  /** Of the rows that were sent. */
  fingerprint: string | undefined;
  strategy: MergeStrategy;
  foreignKeys: ForeignKeyCheck;
  rebuiltIndexes: string[];
  copyMs: number;
  mergeMs: number;
}

/**
 * Rows are copied and merged in batches, so that the server merges one while the next is encoded, and starts as soon as
 * there is something to merge. Batches grow, as each costs a few round trips.
 */
const FIRST_BATCH_ROWS = 1000;
const BATCH_GROWTH = 4;
const MAX_BATCH_ROWS = 64_000;

/**
 * Loads rows of a fixture in one transaction, all or nothing: finds out which of them stand, streams the others into a
 * staging table, and merges them from there.
 */
export async function loadRange(
  step: Step,
  session: Session,
  range: Range,
  plan: LoadPlan,
): Promise<LoadedRange> {
  try {
    return await session.transaction(() => loadInTransaction(step, session, range, plan));
  } catch (error) {
    throw await nameHolders(session, step.prepared.tableOf(step.fixture), error);
  }
}

async function loadInTransaction(
  step: Step,
  session: Session,
  range: Range,
  plan: LoadPlan,
): Promise<LoadedRange> {
  const { database, prepared, fixture, enter, count } = step;
  const table = prepared.tableOf(fixture);
  if (table.distributed && plan.mode === 'exclusive') throw exclusiveOnWorkers(table);
  const waited = await lockFixture(session, fixture, table, database.onNotice, plan.parts);
  if (plan.mode === 'exclusive') await lockLoaders(session, table);
  const before = prepared.standingOf(fixture);
  // Whoever was waited for has probably loaded the rows; rows that are to be built upon may have been deleted meanwhile.
  const stale = waited || (before.upTo > 0 && (await hasChanged(session, table, before)));
  const survey = stale ? await surveyTable(session, table, [fixture]) : undefined;
  const { upTo, noneAfter, present } = survey?.standing.get(fixture) ?? before;
  const missing = { first: Math.max(range.first, Math.min(upTo, range.last) + 1), last: range.last };
  if (missing.first > range.first) count('merge', missing.first - range.first);
  if (missing.first > missing.last) {
    const foreignKeys = chooseForeignKeyCheck(fixture, table, prepared.mayReplicate);
    return { ...NOTHING_TO_DO, present, foreignKeys };
  }

  enter('copy');
  const working = stopwatch();
  const onCopied = (rows: number): void => {
    count('copy', rows);
  };
  const staging = await Staging.open(session, fixture, onCopied, missing);
  try {
    await staging.copy(FIRST_BATCH_ROWS);
    enter('merge');
    const rowsToCome = missing.last - missing.first + 1;
    const dropped = plan.mode === 'exclusive' ? await claim(session, table, rowsToCome, plan) : [];
    const merged = await mergeBatches(step, session, staging, noneAfter);
    if (dropped.length > 0) {
      enter('index');
      if (prepared.mayReplicate) await heedTriggers(session);
      await rebuildIndexes(session, dropped);
    }
    return {
      ...merged,
      present: undefined,
      sentRows: staging.rows,
      sentBytes: staging.bytes,
      fingerprint: staging.fingerprint(),
      rebuiltIndexes: dropped.map(({ name }) => name),
      copyMs: staging.copyMs,
      mergeMs: working() - staging.copyMs,
    };
  } finally {
    staging.close();
  }
}

/** Merges the batch that is staged, then copies and merges the others. */
async function mergeBatches(
  { prepared, fixture, enter, count }: Step,
  session: Session,
  staging: Staging,
  noneStands: boolean,
): Promise<Pick<LoadedRange, 'inserted' | 'strategy' | 'foreignKeys'>> {
  const anchor = timestampText(prepared.anchorUs);
  const { table, foreignKeys } = await takeOverForeignKeys(
    session,
    fixture,
    prepared.tableOf(fixture),
    prepared.mayReplicate,
  );
  const bySet = foreignKeys.check === 'set';
  // On Citus's workers a plain insert that fails might take more than its savepoint back with it.
  const plainInsert = noneStands && !table.distributed;
  const all = {
    inserted: 0,
    strategy: (plainInsert ? 'insert' : 'on conflict') as MergeStrategy,
    foreignKeys,
  };
  for (let wanted = FIRST_BATCH_ROWS, counted = 0, first = true; ; first = false) {
    if (bySet) await lockParents(session, fixture, table, staging, first);
    wanted = Math.min(wanted * BATCH_GROWTH, MAX_BATCH_ROWS);
    const [merged] = await Promise.all([
      mergeStaged(session, fixture, table, staging, anchor, all.strategy === 'insert'),
      staging.encodeAhead(wanted),
    ]);
    all.inserted += merged.inserted;
    all.strategy = merged.strategy;
    count('merge', staging.rows - counted);
    counted = staging.rows;
    if (staging.ended) return all;
    await staging.empty();
    enter('copy');
    await staging.copy(wanted);
    enter('merge');
  }
}

function exclusiveOnWorkers({ schema, name }: TableInfo): ScaleSeedError {
  return new ScaleSeedError(`exclusive mode is not for ${schema}.${name}: Citus keeps it on its workers`, {
    code: 'usage',
    phase: 'prepare',
    table: `${schema}.${name}`,
    hint: 'load with --mode online',
  });
}

const NOTHING_TO_DO: Omit<LoadedRange, 'present' | 'foreignKeys'> = {
  inserted: 0,
  sentRows: 0,
  sentBytes: 0,
  fingerprint: undefined,
  strategy: 'none',
  rebuiltIndexes: [],
  copyMs: 0,
  mergeMs: 0,
};

/** Locks the table for exclusive mode, and drops the indexes that are quicker to build again afterwards. */
async function claim(
  session: Session,
  table: TableInfo,
  rowsToCome: number,
  { lockTimeoutMs }: LoadPlan,
): Promise<PlainIndex[]> {
  await lockTable(session, table, lockTimeoutMs);
  return dropPlainIndexes(session, table, rowsToCome);
}
