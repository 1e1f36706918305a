import type { CiReport, RatioMeasurement } from '../report/result.js';
import { formatMs } from '../report/units.js';
import { showAmount } from './describe-check.js';
import type { Summary } from './summary.js';

const VERDICTS: Readonly<Record<CiReport['verdict']['outcome'], string>> = {
  pass: 'Passed',
  drift: 'Drifted',
  'over budget': 'Over budget',
  regressed: 'Regressed',
};

/** The verdict, check by check; `next` is the load's own summary. */
export function summarizeCi({ verdict, reference, ...report }: CiReport, next: Summary): Summary {
  const measured = reference === undefined ? '' : `, measure ${formatMs(reference.totalMs)}`;
  return {
    title: `${VERDICTS[verdict.outcome]}: ${namesOf(verdict.outcome, report).join(', ')}`,
    head: ['check', 'outcome', 'measured', '95 % interval', 'limit', 'reason'],
    right: [2, 3, 4],
    rows: verdict.checks.map((check) => [
      check.name,
      check.outcome,
      check.measured === null ? '-' : showAmount(check.measured, check.unit),
      check.interval === null ? '-' : check.interval.map((end) => showAmount(end, check.unit)).join(' to '),
      showAmount(check.limit, check.unit),
      check.reason,
    ]),
    remarks: [
      ...(reference === undefined ? [] : referenceRemarks(reference)),
      `verify ${formatMs(report.verified.timings.totalMs)}${measured}, total ${formatMs(report.timings.totalMs)}`,
    ],
    next,
  };
}

/** The fixtures that a verdict is about: of a drift, those that have drifted. */
function namesOf(
  outcome: CiReport['verdict']['outcome'],
  { fixtures, verified }: Pick<CiReport, 'fixtures' | 'verified'>,
): string[] {
  const about = outcome === 'drift' ? verified.fixtures.filter(({ intact }) => !intact) : fixtures;
  return about.map(({ name }) => name);
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
