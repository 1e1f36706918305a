import type {
  CleanReport,
  Counts,
  FixtureResult,
  LoadReport,
  Report,
  ResetReport,
  Timings,
  VerifyReport,
} from '../report/result.js';
import { formatCount, formatMs, shortFingerprint } from '../report/units.js';
import { blockedRemark, driftRemarks } from './drift-remarks.js';
import { summarizeCi } from './summarize-ci.js';
import { counted, failureRemark, sum, tableOf, withMachine, type Column, type Summary } from './summary.js';

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

const TABLE: Column<FixtureResult> = { name: 'table', of: ({ table }) => table };
const TIME: Column<{ timings: { totalMs: number } }> = {
  name: 'time',
  of: ({ timings }) => formatMs(timings.totalMs),
  number: true,
};
const FINGERPRINT: Column<{ fingerprint: string }> = {
  name: 'fingerprint',
  of: ({ fingerprint }) => shortFingerprint(fingerprint),
};

function summarizeLoad(report: LoadReport): Summary {
  const { fixtures, timings, foreignKeys, anchor, verified } = report;
  const sent = fixtures.some(({ merge }) => merge !== 'none');
  return {
    title: `Loaded ${formatCount(sum(fixtures, ({ inserted }) => inserted))} rows in ${formatMs(timings.workMs)}`,
    ...tableOf(fixtures, [
      TABLE,
      counted('rows', ({ rows }) => rows),
      counted('inserted', ({ inserted }) => inserted),
      counted('skipped', ({ skipped }) => skipped),
      ...blockedColumn(fixtures),
      TIME,
      {
        name: 'rows/s',
        of: ({ inserted, rowsPerSecond }) => (inserted === 0 ? '-' : formatCount(rowsPerSecond)),
        number: true,
      },
      FINGERPRINT,
    ]),
    remarks: [
      ...blockedRemarks(fixtures),
      `${sent ? `anchor ${anchor}` : 'no row was sent'}; ${timesOf(timings)}`,
      ...(sent ? [`foreign keys checked by ${foreignKeys.check}: ${foreignKeys.reason}`] : []),
      ...report.failures.map(failureRemark),
    ],
    ...(verified === undefined ? {} : { next: summarizeVerify(verified) }),
  };
}

function timesOf({ connectMs, waitMs, workMs, settleMs, totalMs }: Timings): string {
  const waited = waitMs === 0 ? '' : `wait ${formatMs(waitMs)}, `;
  return `connect ${formatMs(connectMs)}, ${waited}load ${formatMs(workMs)}, settle ${formatMs(settleMs)}, total ${formatMs(totalMs)}`;
}

/** Only where there are any: it is a rare thing. */
function blockedColumn<Row extends Counts>(fixtures: readonly Row[]): Column<Row>[] {
  const some = fixtures.some(({ blocked }) => blocked > 0);
  return some ? [counted('blocked', ({ blocked }) => blocked)] : [];
}

function blockedRemarks(fixtures: readonly (Counts & FixtureResult)[]): string[] {
  return fixtures.flatMap(({ name, blocked, firstBlocked }) =>
    firstBlocked === null
      ? []
      : `${name}: ${formatCount(blocked)} rows could not be added; ${blockedRemark(firstBlocked)}`,
  );
}

function summarizeVerify(report: VerifyReport): Summary {
  const { fixtures, intact } = report;
  const drifted = fixtures.filter((fixture) => !fixture.intact);
  return {
    title: intact
      ? `Verified: every column of every row stands as it was loaded`
      : `Drifted: ${[...new Set(drifted.map(({ name }) => name))].join(', ')}`,
    ...tableOf(fixtures, [
      TABLE,
      counted('rows', ({ rows }) => rows),
      counted('missing', ({ missing }) => missing.rows),
      counted('drifted', ({ driftedRows }) => driftedRows),
      counted('unexpected', ({ unexpected }) => unexpected.rows),
      {
        name: 'age',
        of: ({ ageMs }) => (ageMs === null ? '-' : formatMs(Math.max(0, ageMs))),
        number: true,
      },
      FINGERPRINT,
    ]),
    remarks: [...fixtures.flatMap(driftRemarks), ...report.failures.map(failureRemark)],
  };
}

function summarizeReset(report: ResetReport): Summary {
  const { timings, anchor, fixtures } = report;
  return {
    title: `Reset to anchor ${anchor} in ${formatMs(timings.workMs)}`,
    ...tableOf(fixtures, [
      TABLE,
      counted('rows', ({ rows }) => rows),
      counted('restored', ({ restored }) => restored),
      counted('inserted', ({ inserted }) => inserted),
      ...blockedColumn(fixtures),
      TIME,
      FINGERPRINT,
    ]),
    remarks: [...blockedRemarks(fixtures), ...report.failures.map(failureRemark)],
  };
}

function summarizeClean(report: CleanReport): Summary {
  const { fixtures, timings } = report;
  const dependents = fixtures.flatMap(({ name, dependents: own }) =>
    own.map(
      ({ table, rows, effect }) =>
        `${name}: with them ${formatCount(rows)} rows of ${table} were ${effect === 'deleted' ? effect : effect.replace('set', 'set to')}`,
    ),
  );
  return {
    title: `Deleted ${formatCount(sum(fixtures, ({ deleted }) => deleted))} rows in ${formatMs(timings.workMs)}`,
    ...tableOf(fixtures, [TABLE, counted('deleted', ({ deleted }) => deleted), TIME]),
    remarks: [...dependents, ...report.failures.map(failureRemark)],
  };
}
