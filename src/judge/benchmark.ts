import type { CiReport } from '../report/result.js';
import { named } from '../report/schemas.js';
import { formatRatio, shortFingerprint } from '../report/units.js';

/** What github-action-benchmark takes as `customSmallerIsBetter`. */
export interface BenchmarkEntry {
  name: string;
  unit: string;
  value: number;
  range?: string;
  extra?: string;
}

/** A run of ci as entries of a benchmark, without times of loads that were not whole: the next would look like a regression. */
export function benchmarkEntries(report: CiReport): BenchmarkEntry[] {
  const { timings, reference, server } = report;
  const fixtures = named(report);
  const extra = `PostgreSQL ${server.version}`;
  const whole = fixtures.filter(({ rows, inserted, present }) => inserted === rows && present === rows);
  const entries: BenchmarkEntry[] = whole.map(({ name, timings: { totalMs }, fingerprint }) => ({
    name: `load of ${name}`,
    unit: 'ms',
    value: totalMs,
    extra: `${extra}\n${shortFingerprint(fingerprint)}`,
  }));
  if (whole.length === fixtures.length && report.failures.length === 0)
    entries.push({ name: 'load', unit: 'ms', value: timings.workMs, extra });
  if (reference !== undefined) {
    const { median, interval, rounds } = reference;
    const [low, high] = interval;
    entries.push({
      name: 'load to reference load',
      unit: 'ratio',
      value: median,
      range: `± ${formatRatio(Math.max(high - median, median - low))}`,
      extra: `${extra}\n${formatRatio(low)} to ${formatRatio(high)} by ${rounds.length} rounds`,
    });
  }
  return entries;
}
