import { compareRows } from '../merge/compare.js';
import { stage } from '../copy/staging.js';
import { findAnchors } from '../merge/anchors.js';
import { countPresent } from '../table/marks.js';
import { missingParents, parentLabel } from '../run/parents.js';
import { withDatabase, type Database } from '../run/with-database.js';
import type { FixtureOptions } from '../run/options.js';
import type { VerifiedFixture, VerifyReport } from '../report/result.js';
import { stopwatch } from '../run/stopwatch.js';
import { runOnFixtures, type Step } from '../run/run.js';

export interface VerifyOptions extends FixtureOptions {
  /**
   * A fixture whose oldest anchor is older than so many milliseconds has drifted; by default, one whose certificates were
   * to expire after the anchor and have all done so.
   */
  maxAgeMs?: number | undefined;
}

/**
 * Reads fixtures' rows back and holds every column of every row against the fixture, on the anchor that each row
 * itself tells. Changes nothing; needs the right to create a temporary table.
 */
export function verify(options: VerifyOptions = {}): Promise<VerifyReport> {
  return withDatabase(options, (database) => verifyOn(database, options));
}

/** Verifies fixtures in a database that is at hand. */
export async function verifyOn(database: Database, options: VerifyOptions): Promise<VerifyReport> {
  const { base, results, connectMs, workMs, totalMs } = await runOnFixtures<VerifiedFixture>(
    database,
    options,
    {
      jobs: 1,
      parents: 'ignore',
      guard: false,
      survey: false,
      needs: ['select'],
      settle: false,
      changed: () => false,
      work: (step) => verifyFixture(step, options.maxAgeMs),
    },
  );
  return {
    ...base,
    command: 'verify',
    intact: results.every(({ intact }) => intact),
    fixtures: results,
    timings: { connectMs, verifyMs: workMs, totalMs },
  };
}

async function verifyFixture(
  { prepared, session, fixture, enter, count }: Step,
  maxAgeMs: number | undefined,
): Promise<VerifiedFixture> {
  const table = prepared.tableOf(fixture);
  const total = stopwatch();
  const work = async (): Promise<VerifiedFixture> => {
    enter('copy');
    const staged = await stage(session, fixture, (rows) => {
      count('copy', rows);
    });
    enter('verify');
    const compared = await compareRows(session, fixture, table, staged);
    const { anchors, ageMs, expired, allExpired } = await findAnchors(session, fixture, table, staged);
    const parents = await missingParents(session, [fixture], table.schema);
    const tooOld = allExpired || (ageMs !== null && maxAgeMs !== undefined && ageMs > maxAgeMs);
    const { missing, unexpected, driftedRows } = compared;
    return {
      name: fixture.name,
      table: table.name,
      schema: table.schema,
      rows: staged.rows,
      present: await countPresent(session, fixture, table),
      fingerprint: staged.fingerprint(),
      intact: missing.rows + unexpected.rows + driftedRows + parents.length === 0 && !tooOld,
      ...compared,
      missingParents: parents.map(parentLabel),
      anchors,
      ageMs,
      tooOld,
      expired,
      timings: { totalMs: total() },
    };
  };
  // All that is said of the rows is said of one moment.
  return session.transaction(work, 'repeatable read');
}
