import type { ScaleSeedError } from '../errors.js';
import type {
  CleanReport,
  Fleet,
  FleetsReport,
  LoadReport,
  OneFleetReport,
  ResetReport,
  VerifyReport,
} from '../report/result.js';
import type { Summary } from './summary.js';
import { formatCount, formatMs } from '../report/units.js';

/** Cells of one schema's row between its name and its result. */
type Cells = Readonly<Record<string, string>>;

/** What a command says of many schemas: a row for each, whatever its report has to remark, and why some failed. */
export function summarizeFleets(
  { command, fleets, timings }: FleetsReport,
  remarksOf: (report: OneFleetReport) => readonly string[],
): Summary {
  const done = fleets.flatMap(({ report }) => report ?? []);
  const head = Object.keys(cellsOf(done[0]));
  const rows = fleets.map(({ schema, report, error }) => {
    const cells = cellsOf(report);
    return [
      schema,
      ...head.map((name) => cells[name] ?? '-'),
      error === undefined ? resultOf(report) : 'failed',
    ];
  });
  return {
    title: `${TITLES[command]} ${done.length} of ${fleets.length} schemas in ${formatMs(timings.totalMs)}`,
    head: ['schema', ...head, 'result'],
    right: head.map((_, index) => index + 1),
    rows,
    remarks: [...fleets.flatMap((fleet) => remarks(fleet, remarksOf)), ...foreignKeys(done)],
  };
}

const TITLES: Readonly<Record<OneFleetReport['command'], string>> = {
  load: 'Loaded fixtures into',
  verify: 'Verified the fixtures of',
  reset: 'Reset the fixtures of',
  clean: 'Cleaned the fixtures of',
};

function cellsOf(report: OneFleetReport | undefined): Cells {
  switch (report?.command) {
    case 'load':
      return loadCells(report);
    case 'verify':
      return verifyCells(report);
    case 'reset':
      return resetCells(report);
    case 'clean':
      return cleanCells(report);
    case undefined:
      return {};
  }
}

function loadCells({ fixtures, timings }: LoadReport): Cells {
  const inserted = sum(fixtures, (fixture) => fixture.inserted);
  return {
    rows: formatCount(sum(fixtures, ({ rows }) => rows)),
    inserted: formatCount(inserted),
    skipped: formatCount(sum(fixtures, ({ skipped }) => skipped)),
    time: formatMs(timings.loadMs),
    'rows/s': inserted === 0 ? '-' : formatCount(Math.round(inserted / (timings.loadMs / 1000))),
  };
}

function verifyCells({ fixtures }: VerifyReport): Cells {
  const oldestMs = Math.max(...fixtures.map(({ ageMs }) => ageMs ?? -Infinity));
  return {
    rows: formatCount(sum(fixtures, ({ rows }) => rows)),
    missing: formatCount(sum(fixtures, ({ missing }) => missing.rows)),
    drifted: formatCount(sum(fixtures, ({ driftedRows }) => driftedRows)),
    unexpected: formatCount(sum(fixtures, ({ unexpected }) => unexpected.rows)),
    age: Number.isFinite(oldestMs) ? formatMs(Math.max(0, oldestMs)) : '-',
  };
}

function resetCells({ fixtures, timings }: ResetReport): Cells {
  return {
    rows: formatCount(sum(fixtures, ({ rows }) => rows)),
    restored: formatCount(sum(fixtures, ({ restored }) => restored)),
    inserted: formatCount(sum(fixtures, ({ inserted }) => inserted)),
    time: formatMs(timings.resetMs),
  };
}

function cleanCells({ fixtures, timings }: CleanReport): Cells {
  return {
    deleted: formatCount(sum(fixtures, ({ deleted }) => deleted)),
    time: formatMs(timings.cleanMs),
  };
}

function resultOf(report: OneFleetReport): string {
  const verified = report.command === 'load' ? report.verified : report;
  return verified?.command === 'verify' ? (verified.intact ? 'intact' : 'drifted') : 'done';
}

function remarks(
  { schema, report, error }: Fleet<OneFleetReport>,
  remarksOf: (report: OneFleetReport) => readonly string[],
): string[] {
  const own = error === undefined ? remarksOf(report) : [failureOf(error)];
  return own.map((remark) => `${schema}: ${remark}`);
}

function failureOf({ message, state, hint }: ScaleSeedError): string {
  return `${message}${state === undefined ? '' : `; now: ${state}`}${hint === undefined ? '' : `; try: ${hint}`}`;
}

/** Each way in which foreign keys were checked once, however many schemas it was. */
function foreignKeys(reports: readonly OneFleetReport[]): string[] {
  const checks = reports.flatMap((report) => (report.command === 'load' ? report.foreignKeys : []));
  return [...new Set(checks.map(({ check, reason }) => `foreign keys checked by ${check}: ${reason}`))];
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
