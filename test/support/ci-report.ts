import type { CiReport, RatioRound, ReportBase, Timings, VerifiedFixture } from '../../src/report/result.js';

const FINGERPRINT = `sha256:${'0'.repeat(64)}`;
const SERVER = { version: '16.4' };
const BASE = {
  version: 1 as const,
  startedAt: '2026-01-31T12:00:00.000Z',
  database: 'postgresql://certctl@localhost:5432/certctl',
  server: SERVER,
  jobs: 2,
  failures: [],
  peakRssBytes: 1,
} satisfies Omit<ReportBase, 'timings'>;

const timings = (workMs: number): Timings => ({
  connectMs: 10,
  waitMs: 0,
  workMs,
  settleMs: 10,
  totalMs: workMs + 20,
});

/** Rounds with these ratios to a reference of 1 s. */
export function roundsOf(ratios: readonly number[], confirming = false): RatioRound[] {
  return ratios.map((ratio) => ({ oursMs: ratio * 1000, referenceMs: 1000, confirming }));
}

/** A measurement of these rounds. */
export function measurementOf(
  rounds: RatioRound[],
  median = 0.5,
  interval: [number, number] = [0.45, 0.55],
): NonNullable<CiReport['reference']> {
  const times = { oursMs: 500, referenceMs: 1000, totalMs: 10_000 };
  return { median, interval, confidence: 0.97, ...times, rounds, references: [], leftOut: [] };
}

/** What verify says of a fixture that stands as it was loaded. */
export function verifiedFixture(changes: Partial<VerifiedFixture> = {}): VerifiedFixture {
  return {
    name: '01_bulk_renewal_certs',
    table: 'managed_certificates',
    schema: 'public',
    rows: 10_000,
    present: 10_000,
    fingerprint: FINGERPRINT,
    intact: true,
    missing: { rows: 0, examples: [], blocked: null },
    unexpected: { rows: 0, examples: [] },
    driftedRows: 0,
    drift: [],
    liveRows: 0,
    live: [],
    hanging: [],
    unread: [],
    records: [],
    notCompared: [],
    missingParents: [],
    anchors: [],
    anchorCount: 0,
    ageMs: 0,
    tooOld: false,
    expired: 0,
    timings: { totalMs: 20 },
    ...changes,
  };
}

/** The report of a run that loaded one fixture in 400 ms and passed. */
export function ciReport(changes: Partial<CiReport> = {}): CiReport {
  return {
    ...BASE,
    command: 'ci',
    dryRun: false,
    mode: 'online',
    anchor: '2026-01-31T12:00:00.000000Z',
    foreignKeys: { check: 'set', reason: 'x' },
    fixtures: [
      {
        name: '01_bulk_renewal_certs',
        table: 'managed_certificates',
        schema: 'public',
        rows: 10_000,
        inserted: 10_000,
        skipped: 0,
        blocked: 0,
        firstBlocked: null,
        present: 10_000,
        fingerprint: FINGERPRINT,
        copiedBytes: 1,
        merge: 'insert',
        foreignKeys: { check: 'set', reason: 'x' },
        rebuiltIndexes: [],
        timings: { copyMs: 100, mergeMs: 200, totalMs: 390 },
        rowsPerSecond: 25_000,
        confirmation: '10000 present',
      },
    ],
    timings: timings(400),
    verified: {
      ...BASE,
      command: 'verify',
      live: true,
      intact: true,
      fixtures: [verifiedFixture()],
      timings: timings(20),
    },
    verdict: { outcome: 'pass', checks: [] },
    ...changes,
  };
}

/** The same where every row stood already. */
export function noOpReport(changes: Partial<CiReport> = {}): CiReport {
  const fixtures = ciReport().fixtures.map((fixture) => ({ ...fixture, inserted: 0, skipped: fixture.rows }));
  return ciReport({ fixtures, ...changes });
}
