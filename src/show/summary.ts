import type {
  CleanReport,
  LoadReport,
  OneFleetReport,
  Report,
  ResetReport,
  VerifiedFixture,
  VerifyReport,
} from '../report/result.js';
import { summarizeCi } from './summarize-ci.js';
import { summarizeFleets } from './summarize-fleets.js';
import { formatCount, formatMib, formatMs, shortFingerprint } from '../report/units.js';

/** A report for people, before it is laid out: a table, then remarks. */
export interface Summary {
  title: string;
  head: string[];
  rows: string[][];
  /** Columns of numbers. */
  right: number[];
  remarks: string[];
  /** A second report in the same run. */
  next?: Summary;
}

/** What a report says, in the words of its command. */
export function summarize(report: Report): Summary {
  if ('fleets' in report) {
    const summary = summarizeFleets(report, ownRemarks);
    return { ...summary, remarks: [...summary.remarks, machineRemark(report)] };
  }
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

function summarizeLoad(report: LoadReport): Summary {
  const { fixtures, timings, foreignKeys, anchor } = report;
  const inserted = fixtures.reduce((sum, fixture) => sum + fixture.inserted, 0);
  const sent = fixtures.some(({ merge }) => merge !== 'none');
  return {
    title: `Loaded ${formatCount(inserted)} rows in ${formatMs(timings.loadMs)}`,
    head: ['fixture', 'table', 'rows', 'inserted', 'skipped', 'time', 'rows/s', 'fingerprint'],
    right: [2, 3, 4, 5, 6],
    rows: fixtures.map((fixture) => [
      fixture.name,
      fixture.table,
      formatCount(fixture.rows),
      formatCount(fixture.inserted),
      formatCount(fixture.skipped),
      formatMs(fixture.timings.totalMs),
      fixture.inserted === 0 ? '-' : formatCount(fixture.rowsPerSecond),
      shortFingerprint(fixture.fingerprint),
    ]),
    remarks: [
      `${sent ? `anchor ${anchor}` : 'no row was sent'}; connect ${formatMs(timings.connectMs)}, load ${formatMs(timings.loadMs)}, settle ${formatMs(timings.settleMs)}, total ${formatMs(timings.totalMs)}`,
      ...(sent ? [`foreign keys checked by ${foreignKeys.check}: ${foreignKeys.reason}`] : []),
      machineRemark(report),
    ],
    ...(report.verified === undefined ? {} : { next: summarizeVerify(report.verified) }),
  };
}

function summarizeVerify(report: VerifyReport): Summary {
  const drifted = report.fixtures.filter(({ intact }) => !intact);
  return {
    title: report.intact
      ? `Verified: every column of every row stands as it was loaded`
      : `Drifted: ${drifted.map(({ name }) => name).join(', ')}`,
    head: ['fixture', 'table', 'rows', 'missing', 'drifted', 'unexpected', 'age', 'fingerprint'],
    right: [2, 3, 4, 5, 6],
    rows: report.fixtures.map((fixture) => [
      fixture.name,
      fixture.table,
      formatCount(fixture.rows),
      formatCount(fixture.missing.rows),
      formatCount(fixture.driftedRows),
      formatCount(fixture.unexpected.rows),
      fixture.ageMs === null ? '-' : formatMs(Math.max(0, fixture.ageMs)),
      shortFingerprint(fixture.fingerprint),
    ]),
    remarks: [...report.fixtures.flatMap(driftRemarks), machineRemark(report)],
  };
}

/** What one day of a window of thirty takes is not worth a word. */
const NOTEWORTHY = 1 / 30;

/** What drifted in a fixture, and how. */
export function driftRemarks(fixture: VerifiedFixture): string[] {
  const { name, missing, unexpected, drift, missingParents, notCompared, expired, rows, anchors } = fixture;
  const remarks: string[] = [];
  if (missing.rows > 0)
    remarks.push(`missing: ${formatCount(missing.rows)} rows, such as ${missing.examples.join(', ')}`);
  for (const { column, rows: count, examples } of drift) {
    const shown = examples.map(
      ({ key, expected, found }) => `${key} has ${show(found)} for ${show(expected)}`,
    );
    remarks.push(`${column} drifted in ${formatCount(count)} rows: ${shown.join('; ')}`);
  }
  if (unexpected.rows > 0)
    remarks.push(
      `not of the fixture: ${formatCount(unexpected.rows)} rows, such as ${unexpected.examples.join(', ')}`,
    );
  if (missingParents.length > 0) remarks.push(`parent rows are missing: ${missingParents.join(', ')}`);
  if (fixture.tooOld)
    remarks.push(
      `its times are too old${expired === null ? '' : ` (${formatCount(expired)} rows have expired)`}: \`scale-seed reset\` renews them`,
    );
  else if (expired !== null && expired > rows * NOTEWORTHY)
    remarks.push(
      `${formatCount(expired)} rows have expired since the load: \`scale-seed reset\` renews them`,
    );
  if (anchors.length > 1)
    remarks.push(`rows of ${anchors.length} loads: ${anchors.map(({ at }) => at).join(', ')}`);
  if (notCompared.length > 0)
    remarks.push(`not compared, as their defaults are computed: ${notCompared.join(', ')}`);
  return remarks.map((remark) => `${name}: ${remark}`);
}

function show(value: string | null): string {
  return value === null ? 'NULL' : JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value);
}

function summarizeReset(report: ResetReport): Summary {
  const { timings, anchor, fixtures } = report;
  return {
    title: `Reset to anchor ${anchor} in ${formatMs(timings.resetMs)}`,
    head: ['fixture', 'table', 'rows', 'restored', 'inserted', 'time', 'fingerprint'],
    right: [2, 3, 4, 5],
    rows: fixtures.map((fixture) => [
      fixture.name,
      fixture.table,
      formatCount(fixture.rows),
      formatCount(fixture.restored),
      formatCount(fixture.inserted),
      formatMs(fixture.timings.totalMs),
      shortFingerprint(fixture.fingerprint),
    ]),
    remarks: [...blockedRemarks(report), machineRemark(report)],
  };
}

function blockedRemarks({ fixtures }: ResetReport): string[] {
  return fixtures
    .filter(({ blocked }) => blocked > 0)
    .map(
      ({ name, blocked }) =>
        `${name}: ${formatCount(blocked)} rows could not be added, as other rows hold one of their keys: see \`scale-seed verify\``,
    );
}

function summarizeClean(report: CleanReport): Summary {
  const { fixtures, timings } = report;
  const deleted = fixtures.reduce((sum, fixture) => sum + fixture.deleted, 0);
  return {
    title: `Deleted ${formatCount(deleted)} rows in ${formatMs(timings.cleanMs)}`,
    head: ['fixture', 'table', 'deleted', 'time'],
    right: [2, 3],
    rows: fixtures.map((fixture) => [
      fixture.name,
      fixture.table,
      formatCount(fixture.deleted),
      formatMs(fixture.timings.totalMs),
    ]),
    remarks: [...dependentRemarks(report), machineRemark(report)],
  };
}

function dependentRemarks({ fixtures }: CleanReport): string[] {
  return fixtures.flatMap(({ name, dependents }) =>
    dependents.map(
      ({ table, rows, effect }) =>
        `${name}: with them ${formatCount(rows)} rows of ${table} were ${effect === 'deleted' ? effect : effect.replace('set', 'set to')}`,
    ),
  );
}

/** What a report remarks on its fixtures, where it is one of many. */
function ownRemarks(report: OneFleetReport): string[] {
  switch (report.command) {
    case 'load':
      return report.verified === undefined ? [] : ownRemarks(report.verified);
    case 'verify':
      return report.fixtures.flatMap(driftRemarks);
    case 'reset':
      return blockedRemarks(report);
    case 'clean':
      return dependentRemarks(report);
  }
}

function machineRemark({ server, database, peakRssBytes }: Report): string {
  return `PostgreSQL ${server.version} at ${database}; peak memory ${formatMib(peakRssBytes)}`;
}
