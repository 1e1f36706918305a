import type {
  CiReport,
  CleanReport,
  ColumnDrift,
  Counts,
  Failure,
  ForeignKeyCheck,
  LoadReport,
  RatioMeasurement,
  Report,
  ResetReport,
  RowsOf,
  VerifiedFixture,
  VerifyReport,
} from '../report/result.js';
import { named, newFailures } from '../report/schemas.js';
import {
  everyColumn,
  formatMs,
  formatRows,
  listColumns,
  listRows,
  shortFingerprint,
} from '../report/units.js';
import { describeBlockedRows, describeDrift, showAmount } from './describe.js';
import { failureRemark, inLines, tableOf, withMachine, type Summary } from './summary.js';

/** What a report says, in the words of its command. */
export function summarize(report: Report): Summary {
  return inLines(withMachine(summarizeCommand(report), report));
}

function summarizeCommand(report: Report): Summary {
  switch (report.command) {
    case 'load':
      return summarizeLoad(report);
    case 'verify':
      return summarizeVerify(report);
    case 'reset':
      return summarizeReset(report);
    case 'clean':
      return summarizeClean(report);
    case 'ci':
      return summarizeCi(report, summarizeLoad({ ...report, command: 'load', timings: loadTimings(report) }));
  }
}

/** The report's total is that of all that ci did. */
function loadTimings({ timings }: CiReport): LoadReport['timings'] {
  const { connectMs, waitMs, workMs, settleMs } = timings;
  return { ...timings, totalMs: connectMs + waitMs + workMs + settleMs };
}

const VERDICTS = {
  pass: 'Passed',
  failed: 'Failed',
  drift: 'Drifted',
  'over budget': 'Over budget',
  regressed: 'Regressed',
};
const TIME = { time: ({ timings }: { timings: { totalMs: number } }) => formatMs(timings.totalMs) };
const FINGERPRINT = {
  fingerprint: (fixture: { fingerprint: string }) => shortFingerprint(fixture.fingerprint),
};

/** Only where there are any: it is a rare thing. */
const blockedColumn = (fixtures: readonly Counts[]) =>
  fixtures.some(({ blocked }) => blocked > 0) ? { blocked: ({ blocked }: Counts) => blocked } : undefined;

function summarizeLoad(report: LoadReport): Summary {
  const { fixtures, timings, foreignKeys, anchor, verified, failures, dryRun } = report;
  const { connectMs, waitMs, workMs, settleMs, totalMs } = timings;
  const waited = waitMs === 0 ? '' : `wait ${formatMs(waitMs)}, `;
  const times = `connect ${formatMs(connectMs)}, ${waited}load ${formatMs(workMs)}, settle ${formatMs(settleMs)}, total ${formatMs(totalMs)}`;
  const sent = dryRun || fixtures.some(({ merge }) => merge !== 'none');
  return {
    title: `${dryRun ? 'Would load' : 'Loaded'} ${sumOf(fixtures.map(({ inserted }) => inserted))}${tookOf(timings, dryRun)}`,
    table: tableOf(report, {
      rows: ({ rows }) => rows,
      inserted: ({ inserted }) => inserted,
      skipped: ({ skipped }) => skipped,
      ...blockedColumn(fixtures),
      ...TIME,
      'rows/s': ({ inserted, rowsPerSecond }) => (inserted === 0 || dryRun ? '-' : rowsPerSecond),
      ...FINGERPRINT,
    }),
    remarks: [
      ...named(report).flatMap(describeBlockedRows),
      `${sent ? `anchor ${anchor}` : 'no row was sent'}; ${times}`,
      ...(sent ? checkRemarks(foreignKeys, dryRun) : []),
      ...failures.map(failureRemark),
    ],
    ...(verified === undefined ? {} : { next: summarizeVerify(verified, failures) }),
  };
}

function sumOf(counts: readonly number[]): string {
  return formatRows(counts.reduce((sum, count) => sum + count, 0));
}

function intactTitle({ live, fixtures }: VerifyReport): string {
  if (live) return 'Verified: every row stands as it was loaded, but for what a running stack writes';
  const allRead = fixtures.every(({ unread }) => unread.length === 0);
  return `Verified: ${everyColumn(fixtures)} of every row stands as it was loaded${allRead ? ', and nothing hangs on them' : ''}`;
}

/** What of it failed is not said again where it has been `told`. */
function summarizeVerify(report: VerifyReport, told: readonly Failure[] = []): Summary {
  const { live, intact, failures } = report;
  const drifted = named(report).filter((fixture) => !fixture.intact);
  const wrong = [
    drifted.length > 0 && `Drifted: ${drifted.map(({ name }) => name).join(', ')}`,
    failures.length > 0 && `Not verified: ${schemasOf(failures)}`,
  ].filter(Boolean);
  return {
    title: intact ? intactTitle(report) : wrong.join('; '),
    table: tableOf(report, {
      rows: ({ rows }) => rows,
      missing: ({ missing }) => missing.rows,
      drifted: ({ driftedRows }) => driftedRows,
      unexpected: ({ unexpected }) => unexpected.rows,
      ...(live ? { live: ({ liveRows }: VerifiedFixture) => liveRows } : {}),
      hanging: ({ hanging }) => hanging.reduce((sum, { rows }) => sum + rows, 0),
      age: ({ ageMs }) => (ageMs === null ? '-' : formatMs(Math.max(0, ageMs))),
      ...FINGERPRINT,
    }),
    remarks: [
      ...named(report).flatMap((fixture) => describeDrift(fixture, live)),
      ...newFailures(told, failures).map(failureRemark),
    ],
  };
}

/** What is of no schema is of a phase. */
function schemasOf(failures: readonly Failure[]): string {
  return [...new Set(failures.map(({ schema, phase }) => schema ?? phase))].join(', ');
}

function summarizeReset(report: ResetReport): Summary {
  const { timings, anchor, fixtures, failures, dryRun, foreignKeys } = report;
  return {
    title: `${dryRun ? 'Would reset' : 'Reset'} to anchor ${anchor}${tookOf(timings, dryRun)}`,
    table: tableOf(report, {
      rows: ({ rows }) => rows,
      restored: ({ restored }) => restored,
      inserted: ({ inserted }) => inserted,
      ...blockedColumn(fixtures),
      ...TIME,
      ...FINGERPRINT,
    }),
    remarks: [
      ...named(report).flatMap(({ name, dependents, kept, records, overruled }) => [
        ...remark(`${name}: what hung on it ${dryRun ? 'would be' : 'was'} deleted`, dependents),
        ...remark(`${name}: what hangs on it ${dryRun ? 'would stay' : 'was left'}`, kept),
        ...remark(`${name}: recorded about it, and left`, records),
        ...overruledRemark(name, overruled),
      ]),
      ...named(report).flatMap(describeBlockedRows),
      ...checkRemarks(foreignKeys, dryRun),
      ...failures.map(failureRemark),
    ],
  };
}

/** What a trigger makes of a row stands, and is drift by the next verify. */
function overruledRemark(name: string, overruled: readonly ColumnDrift[]): string[] {
  if (overruled.length === 0) return [];
  return [`${name}: triggers kept or changed what was to be written: ${listColumns(overruled)}`];
}

function summarizeClean(report: CleanReport): Summary {
  const { fixtures, timings, failures, dryRun, foreignKeys } = report;
  const rows = sumOf(fixtures.map(({ deleted }) => deleted));
  return {
    title: `${dryRun ? 'Would delete' : 'Deleted'} ${rows}${tookOf(timings, dryRun)}`,
    table: tableOf(report, { deleted: ({ deleted }) => deleted, ...TIME }),
    remarks: [
      ...named(report).flatMap(({ name, dependents }) => remark(`${name}: with it`, dependents)),
      ...checkRemarks(foreignKeys, dryRun),
      ...failures.map(failureRemark),
    ],
  };
}

/** None where there was no fixture. */
const checkRemarks = ({ check, reason }: ForeignKeyCheck, dryRun: boolean): string[] =>
  reason === '' ? [] : [`foreign keys ${dryRun ? 'would be ' : ''}checked by ${check}: ${reason}`];

/** How long it took; of a dry run it is the look that did. */
const tookOf = ({ workMs }: Report['timings'], dryRun: boolean): string =>
  dryRun ? ` (found out in ${formatMs(workMs)})` : ` in ${formatMs(workMs)}`;

function remark(what: string, rows: readonly RowsOf[]): string[] {
  return rows.length === 0 ? [] : [`${what}: ${listRows(rows)}`];
}

/** The verdict, check by check; `next` is the load's own summary. */
function summarizeCi(report: CiReport, next: Summary): Summary {
  const { verdict, failures, verified, reference, timings } = report;
  const { outcome, checks } = verdict;
  const about = outcome === 'drift' ? named(verified).filter(({ intact }) => !intact) : named(report);
  const measured = reference === undefined ? '' : `, measure ${formatMs(reference.totalMs)}`;
  return {
    title: `${VERDICTS[outcome]}: ${outcome === 'failed' ? schemasOf(failures) : about.map(({ name }) => name).join(', ')}`,
    table: [
      ['check', 'outcome', 'measured', '95 % interval', 'limit', 'reason'],
      ...checks.map(({ name, outcome: result, measured: found, unit, interval, limit, reason }) => [
        name,
        result,
        found === null ? '-' : showAmount(found, unit),
        interval?.map((end) => showAmount(end, unit)).join(' to ') ?? '-',
        showAmount(limit, unit),
        reason,
      ]),
    ],
    remarks: [
      ...(reference === undefined ? [] : referenceRemarks(reference)),
      `verify ${formatMs(verified.timings.totalMs)}${measured}, total ${formatMs(timings.totalMs)}`,
    ],
    next,
  };
}

function referenceRemarks(measurement: RatioMeasurement): string[] {
  const { rounds, references, leftOut, oursMs, referenceMs } = measurement;
  const sources = [...new Set(references.map(({ source }) => source))].map((source) => {
    const names = references.filter((reference) => reference.source === source).map(({ fixture }) => fixture);
    return `out of ${source} for ${names.join(', ')}`;
  });
  return [
    `reference load: INSERT ... SELECT ${sources.join(', ')}, into empty copies of the tables`,
    `medians of ${rounds.length} rounds: ${formatMs(oursMs)} ours, ${formatMs(referenceMs)} the reference's`,
    ...(leftOut.length === 0 ? [] : [`the copies lack ${leftOut.join(', ')}`]),
  ];
}
