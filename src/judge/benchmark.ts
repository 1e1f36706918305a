import type { CiReport } from '../report/result.js';
import { formatRatio, shortFingerprint } from '../report/units.js';

/** What github-action-benchmark takes as `customSmallerIsBetter`. */
export interface BenchmarkEntry {
  name: string;
  unit: string;
  value: number;
  range?: string;
  extra?: string;
}

/**
 * A run of ci as entries of a benchmark that is followed from run to run. Times are left out where rows stood already:
 * the time of a load that had nothing to do would make the next one look like a regression.
 */
export function benchmarkEntries({ fixtures, timings, reference, server }: CiReport): BenchmarkEntry[] {
  const extra = `PostgreSQL ${server.version}`;
  const whole = fixtures.filter(({ skipped }) => skipped === 0);
  return [
    ...whole.map(({ name, timings: { totalMs }, fingerprint }) => ({
      name: `load of ${name}`,
      unit: 'ms',
      value: totalMs,
      extra: `${extra}\n${shortFingerprint(fingerprint)}`,
    })),
    ...(whole.length < fixtures.length ? [] : [{ name: 'load', unit: 'ms', value: timings.workMs, extra }]),
    ...(reference === undefined ? [] : [ratioEntry(reference, extra)]),
  ];
}

function ratioEntry(
  { median, interval: [low, high], rounds }: NonNullable<CiReport['reference']>,
  server: string,
): BenchmarkEntry {
  return {
    name: 'load to reference load',
    unit: 'ratio',
    value: median,
    range: `± ${formatRatio(Math.max(high - median, median - low))}`,
    extra: `${server}\n${formatRatio(low)} to ${formatRatio(high)} by ${rounds.length} rounds`,
  };
}
