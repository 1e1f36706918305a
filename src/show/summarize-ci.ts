import type { CiReport, RatioMeasurement } from '../report/result.js';
import { formatMs } from '../report/units.js';
import { showAmount } from './describe.js';
import type { Summary } from './summary.js';

const VERDICTS: Readonly<Record<CiReport['verdict']['outcome'], string>> = {
  pass: 'Passed',
  drift: 'Drifted',
  'over budget': 'Over budget',
  regressed: 'Regressed',
};

/** The verdict, check by check; `next` is the load's own summary. */
export function summarizeCi(
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
