import type { ErrorCode, Phase } from '../errors.js';

/** Version of the report's shape; it grows when a field changes its meaning or goes. */
export const REPORT_VERSION = 1;

/** How foreign keys were checked: every distinct parent once, or by the triggers row by row. */
export interface ForeignKeyCheck {
  check: 'set' | 'row';
  reason: string;
}

/** Where the time went, in milliseconds; the same in every command. */
export interface Timings {
  /** Connecting, and holding the database against what the fixtures need. */
  connectMs: number;
  /** Waiting for the server, the tables or the parent rows, as `--wait` allows. */
  waitMs: number;
  /** The command's own work on the fixtures. */
  workMs: number;
  /** The final VACUUM (ANALYZE). */
  settleMs: number;
  totalMs: number;
}

/** What failed: where one schema of several did, the others went on. */
export interface Failure {
  /** Null where it concerns no schema in particular. */
  schema: string | null;
  fixture?: string | undefined;
  code: ErrorCode;
  phase: Phase;
  message: string;
  /** As `schema.table` where the schema is known. */
  table?: string | undefined;
  /** What stands in the database now. */
  state?: string | undefined;
  /** What to do about it. */
  hint?: string | undefined;
  /** The server's SQLSTATE, where it was the server that refused. */
  sqlState?: string | undefined;
}

/** What all reports begin with. */
export interface ReportBase {
  version: typeof REPORT_VERSION;
  /**
   * Start of the run by this machine's clock, ISO 8601.
   *
   * @format date-time
   */
  startedAt: string;
  /** The database's URL without password or options. */
  database: string;
  server: { version: string };
  /**
   * Sessions that worked at once, at most.
   *
   * @asType integer
   * @minimum 1
   */
  jobs: number;
  failures: Failure[];
  timings: Timings;
  /**
   * Largest resident set of this process so far, in bytes.
   *
   * @asType integer
   */
  peakRssBytes: number;
}

/** Which rows, and of which table. */
export interface FixtureResult {
  name: string;
  schema: string;
  table: string;
}

/**
 * How staged rows got into the table: by a plain insert, since none stood; by ON CONFLICT DO NOTHING; or not at all,
 * since all stood.
 */
export type MergeStrategy = 'insert' | 'on conflict' | 'none';

/** A row of the fixture that could not be added, and what stands in its way. */
export interface Blocked {
  /** The row's own key. */
  key: string;
  by: string;
}

/** How many of a fixture's rows were added or left alone; `inserted + skipped + blocked` is `rows`. */
export interface Counts {
  rows: number;
  inserted: number;
  /** Rows whose own key stands already. */
  skipped: number;
  /** Rows that could not be added, since something else stands in the way. */
  blocked: number;
  /** The first of them. */
  firstBlocked: Blocked | null;
  /** Rows of the fixture that stand at the end. */
  present: number;
}

export interface LoadedFixture extends FixtureResult, Counts {
  fingerprint: string;
  /** Bytes of CSV that crossed the socket. */
  copiedBytes: number;
  merge: MergeStrategy;
  foreignKeys: ForeignKeyCheck;
  /** Plain indexes that were dropped and made again in the load's own transaction. */
  rebuiltIndexes: string[];
  timings: { copyMs: number; mergeMs: number; totalMs: number };
  /** Rows inserted in a second of `totalMs`. */
  rowsPerSecond: number;
  confirmation: string;
}

export interface LoadReport extends ReportBase {
  command: 'load';
  mode: 'online' | 'exclusive';
  /** The time on which all times of the fixtures hang: the server's now() at the start, ISO 8601 to the microsecond. */
  anchor: string;
  foreignKeys: ForeignKeyCheck;
  fixtures: LoadedFixture[];
  /** Present where the load was verified in the same run. */
  verified?: VerifyReport;
}

/** Rows of one column that differ from the fixture. */
export interface ColumnDrift {
  column: string;
  rows: number;
  /** The first few of them in key order. */
  examples: { key: string; expected: string | null; found: string | null }[];
}

export interface VerifiedFixture extends FixtureResult {
  rows: number;
  present: number;
  fingerprint: string;
  intact: boolean;
  /** Rows of the fixture that are not there; `blocked` says what stands in the way of the first, if anything does. */
  missing: { rows: number; examples: string[]; blocked: Blocked | null };
  /** Rows of the fixture's mark that it does not have; a sized fleet may stand in a larger one. */
  unexpected: { rows: number; examples: string[] };
  /** Rows with at least one column that differs. */
  driftedRows: number;
  drift: ColumnDrift[];
  /** Columns outside the fixture whose default is computed and so cannot be compared. */
  notCompared: string[];
  missingParents: string[];
  /** When the standing rows were loaded or reset, with the number of rows of each: the ten oldest, the oldest first. */
  anchors: { at: string; rows: number }[];
  /**
   * How many such times there are.
   *
   * @asType integer
   */
  anchorCount: number;
  /** Age of the oldest anchor by the server's clock, in milliseconds. */
  ageMs: number | null;
  /** That age is over the limit that was given. */
  tooOld: boolean;
  /** Rows that were to expire after the load and have done so; null for a fixture whose rows don't. */
  expired: number | null;
  timings: { totalMs: number };
}

export interface VerifyReport extends ReportBase {
  command: 'verify';
  intact: boolean;
  fixtures: VerifiedFixture[];
}

export interface ResetFixture extends FixtureResult, Counts {
  /** Rows put back to the fixture's values, on the new anchor. */
  restored: number;
  fingerprint: string;
  timings: { totalMs: number };
}

export interface ResetReport extends ReportBase {
  command: 'reset';
  anchor: string;
  fixtures: ResetFixture[];
}

/** Rows of another table that a deletion took with it or changed. */
export interface Dependents {
  table: string;
  rows: number;
  effect: 'deleted' | 'set null' | 'set default';
}

export interface CleanedFixture extends FixtureResult {
  deleted: number;
  dependents: Dependents[];
  timings: { totalMs: number };
}

export interface CleanReport extends ReportBase {
  command: 'clean';
  fixtures: CleanedFixture[];
}

/** One load of the fixtures and one reference load of the same rows, taken one after the other. */
export interface RatioRound {
  oursMs: number;
  referenceMs: number;
  /** Taken after the rounds before it had all but condemned the load. */
  confirming: boolean;
}

/** Our load against the reference load of the same fixtures, both into empty copies of the tables. */
export interface RatioMeasurement {
  /** Median over all rounds of our time to the reference's. */
  median: number;
  /** What the rounds allow the median to be, with the probability `confidence`. */
  interval: [number, number];
  confidence: number;
  /** Median times of both. */
  oursMs: number;
  referenceMs: number;
  rounds: RatioRound[];
  /** What each fixture's reference inserted its rows out of. */
  references: { fixture: string; source: 'generate_series' | 'a ready table' }[];
  /** What the tables have that their copies lack. */
  leftOut: string[];
  /** What the whole measurement took. */
  totalMs: number;
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
  /** Drift counts more than a time, and a budget more than an earlier run. */
  outcome: 'pass' | 'drift' | 'over budget' | 'regressed';
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
  /**
   * One failure.
   *
   * @minItems 1
   * @maxItems 1
   */
  failures: Failure[];
}
