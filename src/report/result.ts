import type { ScaleSeedError } from '../errors.js';
import type { Count, Fingerprint, Milliseconds, Timestamp } from './values.js';

/** Version of the report's shape; it grows when a field changes its meaning or goes. */
export const REPORT_VERSION = 1;

/** How foreign keys were checked: every distinct parent once, or by the triggers row by row. */
export interface ForeignKeyCheck {
  check: 'set' | 'row';
  reason: string;
}

/** What all reports begin with. */
export interface ReportBase {
  version: typeof REPORT_VERSION;
  /** Start of the run by this machine's clock, ISO 8601. */
  startedAt: string;
  /** The database's URL without password or options. */
  database: string;
  server: { version: string };
  /** Largest resident set of this process so far, in bytes. */
  peakRssBytes: Count;
}

/**
 * How staged rows got into the table: by a plain insert, since none stood; by ON CONFLICT DO NOTHING; or not at all,
 * since all stood.
 */
export type MergeStrategy = 'insert' | 'on conflict' | 'none';

export interface LoadedFixture {
  name: string;
  table: string;
  schema: string;
  /** Rows of the fixture; each was either inserted or skipped since its key stands. */
  rows: Count;
  inserted: Count;
  skipped: Count;
  /** Rows of the fixture's mark that stand after the load. */
  present: Count;
  fingerprint: Fingerprint;
  copiedBytes: Count;
  merge: MergeStrategy;
  foreignKeys: ForeignKeyCheck;
  /** Plain indexes that were dropped and made again in the load's own transaction. */
  rebuiltIndexes: string[];
  /** More than one: the fixture was loaded in parts that committed one by one. */
  transactions: Count;
  timings: { copyMs: Milliseconds; mergeMs: Milliseconds; totalMs: Milliseconds };
  /** Rows inserted in a second of `totalMs`. */
  rowsPerSecond: Count;
  confirmation: string;
}

export interface LoadReport extends ReportBase {
  command: 'load';
  mode: 'online' | 'exclusive';
  jobs: Count;
  /** The time on which all times of the fixtures hang: the server's now() at the start, ISO 8601 to the microsecond. */
  anchor: Timestamp;
  foreignKeys: ForeignKeyCheck;
  fixtures: LoadedFixture[];
  timings: { connectMs: Milliseconds; loadMs: Milliseconds; settleMs: Milliseconds; totalMs: Milliseconds };
  /** Present where the load was verified in the same run. */
  verified?: VerifyReport;
}

/** Rows of one column that differ from the fixture. */
export interface ColumnDrift {
  column: string;
  rows: Count;
  /** The first few of them in key order. */
  examples: { key: string; expected: string | null; found: string | null }[];
}

export interface VerifiedFixture {
  name: string;
  table: string;
  schema: string;
  rows: Count;
  present: Count;
  fingerprint: Fingerprint;
  intact: boolean;
  /** Rows of the fixture that are not there. */
  missing: { rows: Count; examples: string[] };
  /** Rows of the fixture's mark that it does not have; a sized fleet may stand in a larger one. */
  unexpected: { rows: Count; examples: string[] };
  /** Rows with at least one column that differs. */
  driftedRows: Count;
  drift: ColumnDrift[];
  /** Columns outside the fixture whose default is computed and so cannot be compared. */
  notCompared: string[];
  missingParents: string[];
  /** When the standing rows were loaded or reset, the oldest first, with the number of rows of each. */
  anchors: { at: Timestamp; rows: Count }[];
  /** Age of the oldest anchor by the server's clock, in milliseconds. */
  ageMs: number | null;
  /** That age is over the limit that was given. */
  tooOld: boolean;
  /** Certificates whose time is over, so that no renewal window holds them any more. */
  expired: Count | null;
  timings: { totalMs: Milliseconds };
}

export interface VerifyReport extends ReportBase {
  command: 'verify';
  intact: boolean;
  fixtures: VerifiedFixture[];
  timings: { connectMs: Milliseconds; verifyMs: Milliseconds; totalMs: Milliseconds };
}

export interface ResetFixture {
  name: string;
  table: string;
  schema: string;
  rows: Count;
  /** Rows put back to the fixture's values, on the new anchor. */
  restored: Count;
  /** Rows that were missing. */
  inserted: Count;
  /** Rows that could not be added, since another row holds one of their keys. */
  blocked: Count;
  fingerprint: Fingerprint;
  timings: { totalMs: Milliseconds };
}

export interface ResetReport extends ReportBase {
  command: 'reset';
  anchor: Timestamp;
  fixtures: ResetFixture[];
  timings: { connectMs: Milliseconds; resetMs: Milliseconds; settleMs: Milliseconds; totalMs: Milliseconds };
}

/** Rows of another table that a deletion took with it or changed. */
export interface Dependents {
  table: string;
  rows: Count;
  effect: 'deleted' | 'set null' | 'set default';
}

export interface CleanedFixture {
  name: string;
  table: string;
  schema: string;
  deleted: Count;
  dependents: Dependents[];
  timings: { totalMs: Milliseconds };
}

export interface CleanReport extends ReportBase {
  command: 'clean';
  fixtures: CleanedFixture[];
  timings: { connectMs: Milliseconds; cleanMs: Milliseconds; settleMs: Milliseconds; totalMs: Milliseconds };
}

/** One load of the fixtures and one reference load of the same rows, taken one after the other. */
export interface RatioRound {
  oursMs: Milliseconds;
  referenceMs: Milliseconds;
  /** Taken after the rounds before it had all but condemned the load. */
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
  rounds: RatioRound[];
  /** What each fixture's reference inserted its rows out of. */
  references: { fixture: string; source: 'generate_series' | 'a ready table' }[];
  /** What the tables have that their copies lack. */
  leftOut: string[];
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

export interface CiReport extends Omit<LoadReport, 'command' | 'timings' | 'verified'> {
  command: 'ci';
  timings: LoadReport['timings'] & { verifyMs: Milliseconds; measureMs: Milliseconds };
  verified: VerifyReport;
  /** Present where the load was measured against the reference. */
  reference?: RatioMeasurement;
  verdict: Verdict;
}

/** Reports of what was done in one schema. */
export type OneFleetReport = LoadReport | VerifyReport | ResetReport | CleanReport;

/** What became of one schema among many: its report, or what kept it from one. */
export type Fleet<Own extends OneFleetReport> =
  { schema: string; report: Own; error?: never } | { schema: string; error: ScaleSeedError; report?: never };

/** A command in many schemas, in the order in which they were named. */
export interface FleetsReport<Own extends OneFleetReport = OneFleetReport> extends ReportBase {
  command: Own['command'];
  /** Schemas at work at once. */
  jobs: Count;
  fleets: Fleet<Own>[];
  timings: { connectMs: Milliseconds; totalMs: Milliseconds };
}

/** What load, verify, reset, clean and ci write with --format json and --output. Times are milliseconds. */
export type Report = OneFleetReport | CiReport | FleetsReport;
