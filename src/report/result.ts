import type { ErrorContext } from '../errors.js';
import type { Count, Fingerprint, Milliseconds, Timestamp } from './values.js';

/** Version of the report's shape; it grows when a field changes its meaning or goes. */
export const REPORT_VERSION = 1;

/** How foreign keys were checked, or would be where no row was sent: every distinct parent once, or by the triggers row by row. */
export interface ForeignKeyCheck {
  check: 'set' | 'row';
  reason: string;
}

/** Where the time went, in milliseconds; the same in every command. */
export interface Timings {
  /** Connecting, and holding the database against what the fixtures need. */
  connectMs: Milliseconds;
  /** Waiting for the server, the tables or the parent rows, as `--wait` allows. */
  waitMs: Milliseconds;
  /** The command's own work on the fixtures. */
  workMs: Milliseconds;
  /** The final VACUUM (ANALYZE). */
  settleMs: Milliseconds;
  totalMs: Milliseconds;
}

/** What failed: where one schema of several did, the others went on. */
export interface Failure extends Omit<ErrorContext, 'cause'> {
  /** Null where it concerns no schema in particular. */
  schema: string | null;
  message: string;
}

/** What all reports begin with. */
export interface ReportBase {
  version: typeof REPORT_VERSION;
  /**
   * Start of the run by this machine's clock, ISO 8601.
   * @format date-time
   */
  startedAt: string;
  /** The database's URL without password or options. */
  database: string;
  server: { version: string };
  /**
   * Sessions that worked at once, at most.
   * @asType integer
   * @minimum 1
   */
  jobs: number;
  failures: Failure[];
  timings: Timings;
  /** Largest resident set of this process so far, in bytes. */
  peakRssBytes: Count;
}

/** Which rows, and of which table. */
export interface FixtureResult {
  name: string;
  schema: string;
  table: string;
}

/** How staged rows got into the table: by a plain insert where none stood, and not at all where all did. */
export type MergeStrategy = 'insert' | 'on conflict' | 'none';

/** A row of the fixture that could not be added, and what stands in its way. */
export interface Blocked {
  /** The row's own key. */
  key: string;
  by: string;
}

/** How many of a fixture's rows were added or left alone; `inserted + skipped + blocked` is `rows`. */
export interface Counts {
  rows: Count;
  inserted: Count;
  /** Rows whose own key stands already. */
  skipped: Count;
  /** Rows that could not be added, since something else stands in the way. */
  blocked: Count;
  /** The first of them. */
  firstBlocked: Blocked | null;
  /** Rows of the fixture that stand at the end. */
  present: Count;
}

export interface LoadedFixture extends FixtureResult, Counts {
  fingerprint: Fingerprint;
  /** Bytes of CSV that crossed the socket. */
  copiedBytes: Count;
  merge: MergeStrategy;
  foreignKeys: ForeignKeyCheck;
  /** Plain indexes that were dropped and made again in the load's own transaction. */
  rebuiltIndexes: string[];
  timings: { copyMs: Milliseconds; mergeMs: Milliseconds; totalMs: Milliseconds };
  /** Rows inserted in a second of `totalMs`. */
  rowsPerSecond: Count;
  /** The line that a load prints once this is committed: how many rows bear the fixture's mark. */
  confirmation: string;
}

export interface LoadReport extends ReportBase {
  command: 'load';
  /** Nothing was done, and the report says what would be. */
  dryRun: boolean;
  mode: 'online' | 'exclusive';
  /** The time on which all times of the fixtures hang: the server's now() at the start, ISO 8601 to the microsecond. */
  anchor: Timestamp;
  foreignKeys: ForeignKeyCheck;
  fixtures: LoadedFixture[];
  /** Present where the load was verified in the same run. */
  verified?: VerifyReport;
}

/** Rows of another table. */
export interface RowsOf {
  table: string;
  rows: Count;
}

/** Rows of another table that a deletion took with it or changed. */
export interface Dependents extends RowsOf {
  effect: 'deleted' | 'set null' | 'set default';
}

/** Rows of one column that differ from the fixture. */
export interface ColumnDrift {
  column: string;
  rows: Count;
  /** The first few of them in key order. */
  examples: { key: string; expected: string | null; found: string | null }[];
}

export interface VerifiedFixture extends FixtureResult {
  rows: Count;
  present: Count;
  fingerprint: Fingerprint;
  intact: boolean;
  /** Rows of the fixture that are not there; `blocked` says what stands in the way of the first, if anything does. */
  missing: { rows: Count; examples: string[]; blocked: Blocked | null };
  /** Rows of the fixture's mark that it does not have; a sized fleet may stand in a larger one. */
  unexpected: { rows: Count; examples: string[] };
  /** Rows with at least one column that differs. */
  driftedRows: Count;
  drift: ColumnDrift[];
  /** The same in the columns that the running system writes, which are no drift; none where that was not asked for. */
  liveRows: Count;
  live: ColumnDrift[];
  /** Rows of other tables that hang on the fixture's, and those that these would take with them. */
  hanging: RowsOf[];
  /** Tables that may hold such rows, and that the role may not read all of. */
  unread: string[];
  /** Rows of tables that keep a record of the fixture's; nobody can undo those, and they are no drift. */
  records: RowsOf[];
  /** Columns outside the fixture whose default is computed and so cannot be compared. */
  notCompared: string[];
  missingParents: string[];
  /** When the standing rows were loaded or reset, with the number of rows of each: the ten oldest, the oldest first. */
  anchors: { at: Timestamp; rows: Count }[];
  /** How many such times there are. */
  anchorCount: Count;
  /** Age of the oldest anchor by the server's clock, in milliseconds. */
  ageMs: number | null;
  /** That age is over the limit that was given, or all rows that were to expire after the load have done so. */
  tooOld: boolean;
  /** Rows that were to expire after the load and have done so; null for a fixture whose rows don't. */
  expired: Count | null;
  timings: { totalMs: Milliseconds };
}

export interface VerifyReport extends ReportBase {
  command: 'verify';
  /** As on a stack that runs: what it writes, and what hangs on the fleet, is no drift. */
  live: boolean;
  /** All that was to be verified was, and has not drifted. */
  intact: boolean;
  fixtures: VerifiedFixture[];
}

export interface ResetFixture extends FixtureResult, Counts {
  /** Rows put back to the fixture's values, on the new anchor. */
  restored: Count;
  fingerprint: Fingerprint;
  foreignKeys: ForeignKeyCheck;
  /** Plain indexes that were dropped and made again in the reset's own transaction. */
  rebuiltIndexes: string[];
  /** Columns in which triggers of the table kept or changed what was to be written: drift, by the next verify. */
  overruled: ColumnDrift[];
  /** What hung on the rows, and what that took with it. */
  dependents: Dependents[];
  /** What hangs on the rows and was left. */
  kept: RowsOf[];
  records: RowsOf[];
  timings: { totalMs: Milliseconds };
}

export interface ResetReport extends Omit<LoadReport, 'command' | 'fixtures' | 'verified'> {
  command: 'reset';
  fixtures: ResetFixture[];
}

export interface CleanedFixture extends FixtureResult {
  deleted: Count;
  dependents: Dependents[];
  foreignKeys: ForeignKeyCheck;
  timings: { totalMs: Milliseconds };
}

export interface CleanReport extends ReportBase {
  command: 'clean';
  dryRun: boolean;
  foreignKeys: ForeignKeyCheck;
  fixtures: CleanedFixture[];
}

/** One load of the fixtures and one reference load of the same rows, taken one after the other. */
export interface RatioRound {
  oursMs: Milliseconds;
  referenceMs: Milliseconds;
  /** One of the fresh rounds that must confirm that the load is over the limit. */
  confirming: boolean;
}

/** Our load against the reference load of the same fixtures, both into empty copies of the tables. */
export interface RatioMeasurement {
  /** Median over all rounds of our time to the reference's. */
  median: number;
  /** What the rounds allow the median to be, with the probability `confidence`. */
  interval: [number, number];
  /** @minimum 0 @maximum 1 */
  confidence: number;
  /** Median times of both. */
  oursMs: Milliseconds;
  referenceMs: Milliseconds;
  rounds: RatioRound[];
  /** What each fixture's reference inserted its rows out of. */
  references: { fixture: string; source: 'generate_series' | 'a ready table' }[];
  /** What the tables have that their copies lack. */
  leftOut: string[];
  /** What the whole measurement took. */
  totalMs: Milliseconds;
}

/** One criterion of a verdict. */
export interface Check {
  name: 'verify' | 'budget' | 'budget-ratio' | 'max-regression';
  /** `inconclusive`: the noise of the machine allows no answer; `skipped`: there was nothing to judge. Neither is a failure. */
  outcome: 'pass' | 'fail' | 'inconclusive' | 'skipped';
  reason: string;
  unit: 'rows' | 'ms' | 'ratio' | 'percent';
  measured: number | null;
  limit: number;
  /** Of what was measured, where several rounds were. */
  interval: [number, number] | null;
}

export interface Verdict {
  /** What failed counts more than drift, drift more than a time, and a budget more than an earlier run. */
  outcome: 'pass' | 'failed' | 'drift' | 'over budget' | 'regressed';
  checks: Check[];
}

export interface CiReport extends Omit<LoadReport, 'command' | 'verified'> {
  command: 'ci';
  verified: VerifyReport;
  /** Present where the load was measured against the reference. */
  reference?: RatioMeasurement;
  verdict: Verdict;
}

export type Report = LoadReport | VerifyReport | ResetReport | CleanReport | CiReport;

/** What stands in a report's place where a command failed as a whole. */
export interface FailureReport extends Pick<ReportBase, 'version' | 'startedAt'> {
  command: Report['command'];
  failures: [Failure];
}

/** What load, verify, reset, clean and ci write with --format json and --output. Times are milliseconds. */
export type ReportJson = Report | FailureReport;
