import { nameOf } from '../report/table-name.js';
import { Staging } from '../copy/staging.js';
import { fingerprintOf } from '../encode/fingerprint.js';
import type { Opened } from '../postgres/session.js';
import type { Blocked, Counts, LoadedFixture, MergeStrategy } from '../report/result.js';
import { formatCount, inOneLine } from '../report/units.js';
import { askForTurn, lockFixture, lockLoaders } from '../run/lock-fixture.js';
import { orAborted } from '../run/or-aborted.js';
import { stepError, whichRows, type Step } from '../run/step.js';
import { stopwatch } from '../report/clock.js';
import { surveyTable, type Standing } from '../table/survey.js';
import { eachBatch, FIRST_BATCH_ROWS, whileEncoding } from './batches.js';
import { nameRepeated } from './blocked.js';
import { dismantle, rebuild, takeTable, type Dismantled, type Exclusive } from './exclusive.js';
import { chooseForeignKeyCheck, lockParents, setReplicationRole } from './foreign-keys.js';
import { mergeStaged } from './merge.js';
import { Tally, type LastLook } from './tally.js';
import { confirmationOf, type Optional } from '../fixtures/fixture.js';

/** How fixtures are to be loaded. */
export interface LoadPlan {
  mode: 'online' | 'exclusive';
  lockTimeoutMs: number;
}

/** The same out of an operation's options. */
export function loadPlan({ mode = 'online', lockTimeoutMs = 10_000 }: Optional<LoadPlan>): LoadPlan {
  return { mode, lockTimeoutMs };
}

interface Loaded extends Pick<LoadedFixture, 'copiedBytes' | 'merge' | 'foreignKeys' | 'rebuiltIndexes'> {
  inserted: number;
  tally: Tally;
  /** Comes with the commit. */
  look: Promise<LastLook>;
  /** Of the rows that were sent, where that were all. */
  fingerprint: string | undefined;
  copyMs: number;
  mergeMs: number;
}

/** Loads a fixture in one transaction: finds out which rows stand, streams the others into staging, and merges them. */
export async function loadFixture(step: Step, plan: LoadPlan): Promise<LoadedFixture> {
  const { fixture, context, transaction, tell } = step;
  refuseExclusive(step, plan);
  const total = stopwatch();
  const loaded = await transaction((opened) => loadInTransaction(step, plan, opened), {
    opening: askForTurn(step),
  });
  const totalMs = total();
  const { inserted, tally, look, copyMs, mergeMs, fingerprint, ...rest } = loaded;
  const last = await look;
  const counts = await nameRepeated(fixture, tally.counts(inserted, last));
  if (counts.firstBlocked !== null) tell(describeBlocked(counts, counts.firstBlocked));
  return {
    ...whichRows(step),
    ...counts,
    fingerprint: fingerprint ?? (await orAborted(fingerprintOf(fixture), context.signal)),
    ...rest,
    timings: { copyMs, mergeMs, totalMs },
    rowsPerSecond: Math.round(inserted / (totalMs / 1000)),
    confirmation: confirmationOf(fixture, last.marked),
  };
}

/** Refuses exclusive mode where Citus keeps the table. */
export function refuseExclusive(step: Step, { mode }: LoadPlan): void {
  const { table } = step;
  if (!table.distributed || mode !== 'exclusive') return;
  const message = `exclusive mode is not for ${nameOf(table)}: Citus keeps it on its workers`;
  throw stepError(step, message, { code: 'usage', hint: 'load with --mode online' });
}

function describeBlocked({ blocked, rows }: Counts, { key, by }: Blocked): string {
  const first = `the first is ${inOneLine(key)}, blocked by ${inOneLine(by)}`;
  return `${formatCount(blocked)} of ${formatCount(rows)} rows could not be added: ${first}`;
}

async function loadInTransaction(step: Step, plan: LoadPlan, opened: Opened): Promise<Loaded> {
  const { fixture, enter, count } = step;
  const { standing, taken } = await findStanding(step, plan, opened);
  const { upTo: stood } = standing;
  const rowsToCome = fixture.count - stood;
  if (stood > 0) count('merge', stood);
  if (rowsToCome === 0) {
    const tally = new Tally(step, stood);
    const foreignKeys = chooseForeignKeyCheck(step);
    return { ...NOTHING_TO_DO, tally, look: tally.lookAtCommit(standing), foreignKeys };
  }

  enter('copy');
  const working = stopwatch();
  const staging = Staging.open(step, stood + 1);
  try {
    // All that can be asked before the first copy is: from then on every answer waits for the encoding of others.
    const dismantled = await whileEncoding(staging, FIRST_BATCH_ROWS, () => dismantle(step, taken));
    const on = { ...step, table: dismantled.table };
    const tally = new Tally(on, stood);
    await staging.copy(FIRST_BATCH_ROWS);
    enter('merge');
    const merged = await mergeBatches(on, staging, dismantled, standing, tally);
    await staging.refuseUnrepeatable();
    await rebuild(on, dismantled);
    return {
      ...merged,
      tally,
      look: tally.lookAtCommit(),
      copiedBytes: staging.bytes,
      fingerprint: stood === 0 ? staging.fingerprint() : undefined,
      rebuiltIndexes: dismantled.indexes.map(({ name }) => name),
      copyMs: staging.copyMs,
      mergeMs: working() - staging.copyMs,
    };
  } finally {
    staging.close();
  }
}

const NOTHING_TO_DO: Omit<Loaded, 'tally' | 'look' | 'foreignKeys'> = {
  inserted: 0,
  copiedBytes: 0,
  merge: 'none',
  fingerprint: undefined,
  rebuiltIndexes: [],
  copyMs: 0,
  mergeMs: 0,
};

/** The rows that stand once no other loader is at work on the fixture; in exclusive mode with the table under its lock. */
async function findStanding(
  step: Step,
  { mode, lockTimeoutMs }: LoadPlan,
  opened: Opened,
): Promise<{ standing: Standing; taken?: Exclusive }> {
  const waited = await lockFixture(step, opened);
  if (mode === 'exclusive') await lockLoaders(step);
  const before = step.standing!;
  // Whoever was waited for has probably loaded the rows; rows that are to be built upon may have been deleted meanwhile.
  // Of Citus's workers the snapshot says nothing.
  const hasChanged = step.table.distributed || before.snapshot !== opened.snapshot;
  const isStale = waited || (before.upTo > 0 && hasChanged);
  const standing = isStale ? await lookAgain(step) : before;
  if (mode !== 'exclusive' || standing.upTo === step.fixture.count) return { standing };
  const taken = await takeTable(step, standing, lockTimeoutMs);
  // What was looked at before the lock is looked at again under it.
  return { standing: standing.upTo > 0 ? await lookAgain(step) : standing, taken };
}

async function lookAgain({ fixture, table, session }: Step): Promise<Standing> {
  const { standing } = await surveyTable(session, table, [fixture]);
  return standing.get(fixture)!;
}

async function mergeBatches(
  on: Step,
  staging: Staging,
  { foreignKeys, keys }: Dismantled,
  { noneAfter }: Standing,
  tally: Tally,
): Promise<Pick<Loaded, 'inserted' | 'merge' | 'foreignKeys'>> {
  const { table } = on;
  let merge: MergeStrategy = noneAfter ? 'insert' : 'on conflict';
  let inserted = 0;
  if (foreignKeys.check === 'set' && table.foreignKeys.length > 0 && keys.length === 0)
    await setReplicationRole(on, 'replica');
  await eachBatch(on, staging, 'merge', async (rows) => {
    if (foreignKeys.check === 'set') await lockParents(on, staging);
    const merged = await mergeStaged(on, staging, merge === 'insert');
    merge = merged.strategy;
    inserted += merged.inserted;
    await tally.add(staging, rows, merged.inserted);
  });
  return { inserted, merge, foreignKeys };
}
