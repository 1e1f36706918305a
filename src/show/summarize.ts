import type {
  CiReport,
  CleanReport,
  Counts,
  LoadReport,
  RatioMeasurement,
  Report,
  ResetReport,
  VerifyReport,
} from '../report/result.js';
import { formatCount, formatMs, shortFingerprint } from '../report/units.js';
import { describeBlocked, describeDrift, showAmount } from './describe.js';
import { failureRemark, tableOf, withMachine, type Summary } from './summary.js';

/** What a report says, in the words of its command. */
export function summarize(report: Report): Summary {
  return withMachine(summarizeCommand(report), report);
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
      return summarizeCi(report, summarizeLoad({ ...report, command: 'load' }));
  }
}

const VERDICTS = { pass: 'Passed', drift: 'Drifted', 'over budget': 'Over budget', regressed: 'Regressed' };
const TIME = { time: ({ timings }: { timings: { totalMs: number } }) => formatMs(timings.totalMs) };
const FINGERPRINT = {
  fingerprint: (fixture: { fingerprint: string }) => shortFingerprint(fixture.fingerprint),
};

/** Only where there are any: it is a rare thing. */
const blockedColumn = (fixtures: readonly Counts[]) =>
  fixtures.some(({ blocked }) => blocked > 0) ? { blocked: ({ blocked }: Counts) => blocked } : undefined;

function summarizeLoad({ fixtures, timings, foreignKeys, anchor, verified, failures }: LoadReport): Summary {
  const { connectMs, waitMs, workMs, settleMs, totalMs } = timings;
  const waited = waitMs === 0 ? '' : `wait ${formatMs(waitMs)}, `;
  const times = `connect ${formatMs(connectMs)}, ${waited}load ${formatMs(workMs)}, settle ${formatMs(settleMs)}, total ${formatMs(totalMs)}`;
  const sent = fixtures.some(({ merge }) => merge !== 'none');
  return {
    title: `Loaded ${sumOf(fixtures.map(({ inserted }) => inserted))} rows in ${formatMs(workMs)}`,
    table: tableOf(fixtures, {
      rows: ({ rows }) => rows,
      inserted: ({ inserted }) => inserted,
      skipped: ({ skipped }) => skipped,
      ...blockedColumn(fixtures),
      ...TIME,
      'rows/s': ({ inserted, rowsPerSecond }) => (inserted === 0 ? '-' : rowsPerSecond),
      ...FINGERPRINT,
    }),
    remarks: [
      ...blockedRemarks(fixtures),
      `${sent ? `anchor ${anchor}` : 'no row was sent'}; ${times}`,
      ...(sent ? [`foreign keys checked by ${foreignKeys.check}: ${foreignKeys.reason}`] : []),
      ...failures.map(failureRemark),
    ],
    ...(verified === undefined ? {} : { next: summarizeVerify(verified) }),
  };
}

function blockedRemarks(fixtures: readonly (Counts & { name: string })[]): string[] {
  return fixtures.flatMap(({ name, blocked, firstBlocked }) =>
    firstBlocked === null
      ? []
      : `${name}: ${formatCount(blocked)} rows could not be added; ${describeBlocked(firstBlocked)}`,
  );
}

function sumOf(counts: readonly number[]): string {
  return formatCount(counts.reduce((sum, count) => sum + count, 0));
}

function summarizeVerify({ fixtures, intact, failures }: VerifyReport): Summary {
  const drifted = new Set(fixtures.filter((fixture) => !fixture.intact).map(({ name }) => name));
  return {
    title: intact
      ? 'Verified: every column of every row stands as it was loaded'
      : `Drifted: ${[...drifted].join(', ')}`,
    table: tableOf(fixtures, {
      rows: ({ rows }) => rows,
      missing: ({ missing }) => missing.rows,
      drifted: ({ driftedRows }) => driftedRows,
      unexpected: ({ unexpected }) => unexpected.rows,
      age: ({ ageMs }) => (ageMs === null ? '-' : formatMs(Math.max(0, ageMs))),
      ...FINGERPRINT,
    }),
    remarks: [...fixtures.flatMap(describeDrift), ...failures.map(failureRemark)],
  };
}

function summarizeReset({ timings, anchor, fixtures, failures }: ResetReport): Summary {
  return {
    title: `Reset to anchor ${anchor} in ${formatMs(timings.workMs)}`,
    table: tableOf(fixtures, {
      rows: ({ rows }) => rows,
      restored: ({ restored }) => restored,
      inserted: ({ inserted }) => inserted,
      ...blockedColumn(fixtures),
      ...TIME,
      ...FINGERPRINT,
    }),
    remarks: [...blockedRemarks(fixtures), ...failures.map(failureRemark)],
  };
}

function summarizeClean({ fixtures, timings, failures }: CleanReport): Summary {
  const dependents = fixtures.flatMap(({ name, dependents: own }) =>
    own.map(
      ({ table, rows, effect }) =>
        `${name}: with them ${formatCount(rows)} rows of ${table} were ${effect.replace('set', 'set to')}`,
    ),
  );
  return {
    title: `Deleted ${sumOf(fixtures.map(({ deleted }) => deleted))} rows in ${formatMs(timings.workMs)}`,
    table: tableOf(fixtures, { deleted: ({ deleted }) => deleted, ...TIME }),
    remarks: [...dependents, ...failures.map(failureRemark)],
  };
}

/** The verdict, check by check; `next` is the load's own summary. */
function summarizeCi(
  { verdict: { outcome, checks }, fixtures, verified, reference, timings }: CiReport,
  next: Summary,
): Summary {
  const about = outcome === 'drift' ? verified.fixtures.filter(({ intact }) => !intact) : fixtures;
  const measured = reference === undefined ? '' : `, measure ${formatMs(reference.totalMs)}`;
  return {
    title: `${VERDICTS[outcome]}: ${about.map(({ name }) => name).join(', ')}`,
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
    ...(leftOut.length === 0 ? [] : [`the copies lack ${leftOut.join('; ')}`]),
  ];
}
