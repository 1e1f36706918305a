import { stage, type Staging } from '../copy/staging.js';
import { findAbsent, findRepeated, REPEATED } from '../merge/blocked.js';
import { compareRows } from '../merge/compare.js';
import { countHanging } from '../merge/hanging.js';
import { leftBehind, rootsOf } from '../merge/keys.js';
import { countRecords } from '../merge/records.js';
import { computeFingerprint, unrepeatable } from '../encode/fingerprint.js';
import type { Blocked, VerifiedFixture, VerifyReport } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { withDatabase, type RunContext } from '../run/context.js';
import type { FixtureOptions } from '../run/options.js';
import { missingParents, parentLabel } from '../run/parents.js';
import { orAborted } from '../run/or-aborted.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import { atOneMoment, whichRows, type Step } from '../run/step.js';
import { stopwatch } from '../report/clock.js';
import { countedKeys, keysIn } from '../table/keys.js';

export interface VerifyOptions extends FixtureOptions {
  /**
   * As on a stack that runs: what differs in the columns that it writes, and what hangs on the fleet, is told and is no
   * drift.
   */
  live?: boolean | undefined;
  /**
   * A fixture whose oldest anchor is older than so many milliseconds has drifted; by default, one whose rows were to
   * expire after the load and have all done so.
   */
  maxAgeMs?: number | undefined;
}

/**
 * Reads fixtures' rows back and holds every column of every row against the fixture, on the anchor that each row
 * itself tells. Changes nothing; needs the right to create a temporary table.
 */
export function verify(options: VerifyOptions = {}): Promise<VerifyReport> {
  return withDatabase('verify', options, async (context) => rounded(await verifyOn(context, options)));
}

/** Verifies fixtures in a database that is at hand; in `schemas` of these names, where it is known which they are. */
export async function verifyOn(
  context: RunContext,
  options: VerifyOptions,
  schemas?: readonly string[],
): Promise<VerifyReport> {
  const { base, fixtures } = await runOnFixtures(context, options, {
    schemas,
    privileges: ['select'],
    reads: true,
    work: (step) => verifyFixture(step, options),
  });
  const { live = false } = options;
  const intact = base.failures.length === 0 && fixtures.every((fixture) => fixture.intact);
  return { ...base, command: 'verify', live, intact, fixtures };
}

async function verifyFixture(
  step: Step,
  { maxAgeMs, live = false }: VerifyOptions,
): Promise<VerifiedFixture> {
  const { session, fixture, table, enter, tell } = step;
  const total = stopwatch();
  return atOneMoment(step, async () => {
    const staged = await stage(step);
    enter('verify');
    const liveColumns = live ? fixture.live : [];
    const { missing, ages, ...compared } = await compareRows(step, staged, liveColumns);
    if (missing.rows > 0 && table.rowsHidden)
      tell('row security may hide rows from the role: they count as missing');
    const { anchors, anchorCount, ageMs, expired, allExpired } = ages;
    const keys = countedKeys(fixture, table) ?? keysIn(staged.table, fixture, table);
    const roots = rootsOf(step, keys);
    const present = await session.count(roots.from);
    // Of two rows with one key only one can stand: no load can make the table what the fixture is.
    const isRepeated = present + missing.rows < staged.rows;
    const blocked = await findObstacle(step, staged, { isMissing: missing.rows > 0, isRepeated });
    const { hanging, unread } = await countHanging(session, leftBehind(roots, step));
    const left = live ? 0 : hanging.length;
    const parents = await missingParents(session, [fixture], table.schema);
    const tooOld = allExpired || (ageMs !== null && maxAgeMs !== undefined && ageMs > maxAgeMs);
    const { unexpected, driftedRows } = compared;
    const fingerprint = staged.fingerprint();
    // Only where it matters: it takes a second generation.
    const doubtful = missing.rows + driftedRows > 0 && fixture.frozenFingerprint === undefined;
    if (doubtful && (await orAborted(computeFingerprint(fixture), session.signal)) !== fingerprint)
      throw unrepeatable(fixture);
    return {
      ...whichRows(step),
      rows: staged.rows,
      present,
      fingerprint,
      intact:
        missing.rows + unexpected.rows + driftedRows + parents.length + left === 0 && !isRepeated && !tooOld,
      missing: { ...missing, blocked },
      ...compared,
      hanging,
      unread,
      records: await countRecords(step, keys),
      missingParents: parents.map(parentLabel),
      anchors,
      anchorCount,
      ageMs,
      tooOld,
      expired,
      timings: { totalMs: total() },
    };
  });
}

/** What keeps a load from adding what is missing, as far as the table tells. */
async function findObstacle(
  step: Step,
  staged: Staging,
  { isMissing, isRepeated }: { isMissing: boolean; isRepeated: boolean },
): Promise<Blocked | null> {
  const absent = isMissing ? await findAbsent(step, staged) : undefined;
  if (absent?.by !== undefined) return { key: absent.key, by: absent.by };
  const key = isRepeated ? await findRepeated(step, staged) : undefined;
  return key === undefined ? null : { key, by: REPEATED };
}
