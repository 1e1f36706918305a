import { stage, type Range, type Staged } from './copy/staging.js';
import type { TableInfo } from './database/inspect-table.js';
import { lockFixture } from './database/lock-fixture.js';
import type { Session } from './database/session.js';
import { timestampText } from './encode/timestamp.js';
import { dropPlainIndexes, lockTable, nameHolders, rebuildIndexes } from './merge/exclusive.js';
import { lockParents } from './merge/foreign-keys.js';
import { mergeStaged } from './merge/merge.js';
import { findStanding } from './merge/standing.js';
import type { ForeignKeyCheck, MergeStrategy } from './report/result.js';
import { stopwatch } from './report/stopwatch.js';
import type { Step } from './run.js';

/** How a fixture, or a part of one, is to be loaded. */
export interface LoadPlan {
  mode: 'online' | 'exclusive';
  foreignKeys: ForeignKeyCheck;
  lockTimeoutMs: number;
  /** The fixture is loaded in several transactions. */
  parts: boolean;
}

/** What a transaction did. */
export interface LoadedRange {
  staged: Staged | undefined;
  inserted: number;
  strategy: MergeStrategy;
  rebuiltIndexes: string[];
  copyMs: number;
  mergeMs: number;
}

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
  { database, prepared, fixture, enter }: Step,
  session: Session,
  range: Range,
  plan: LoadPlan,
): Promise<LoadedRange> {
  const table = prepared.tableOf(fixture);
  await lockFixture(session, fixture, table, database.onNotice, plan.parts);
  const { upTo, noneAfter } = await findStanding(session, fixture, table);
  const missing = { first: Math.max(range.first, upTo + 1), last: range.last };
  if (missing.first > missing.last) return NOTHING_TO_DO;

  enter('copy');
  const copying = stopwatch();
  const staged = await stage(session, fixture, database.onEvent, missing);
  const copyMs = copying();

  enter('merge');
  const merging = stopwatch();
  const merged = await withTableReady(session, table, staged, plan, async () => {
    const bySet = plan.foreignKeys.check === 'set';
    if (bySet) await lockParents(session, fixture, table, staged);
    const anchor = timestampText(prepared.anchorUs);
    return mergeStaged(session, fixture, table, staged, anchor, { noneStands: noneAfter, asReplica: bySet });
  });
  return { staged, copyMs, mergeMs: merging(), ...merged };
}

const NOTHING_TO_DO: LoadedRange = {
  staged: undefined,
  inserted: 0,
  strategy: 'none',
  rebuiltIndexes: [],
  copyMs: 0,
  mergeMs: 0,
};

/** In exclusive mode, locks the table and does the work without the indexes that are quicker to build afterwards. */
async function withTableReady<T>(
  session: Session,
  table: TableInfo,
  staged: Staged,
  { mode, lockTimeoutMs }: LoadPlan,
  work: () => Promise<T>,
): Promise<T & { rebuiltIndexes: string[] }> {
  if (mode === 'online') return { ...(await work()), rebuiltIndexes: [] };
  await lockTable(session, table, lockTimeoutMs);
  const dropped = await dropPlainIndexes(session, table, staged.rows);
  const result = await work();
  await rebuildIndexes(session, dropped);
  return { ...result, rebuiltIndexes: dropped.map(({ name }) => name) };
}
