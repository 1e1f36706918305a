import { refusal, type ScaleSeedError } from '../errors.js';
import { REPORT_VERSION, type CiReport, type LoadReport } from '../report/result.js';

type Parts = Readonly<Record<string, unknown>>;

/** An earlier report to compare with. */
export type Baseline = LoadReport | CiReport;

/** What is known of this run; its server and some fingerprints only once it has loaded. */
export interface ThisRun {
  mode: 'online' | 'exclusive';
  fixtures: readonly { name: string; rows: number; fingerprint: string | undefined }[];
  serverVersion?: string | undefined;
}

/** A report as a baseline, once it has been looked at: it may come from a file. */
export function asBaseline(value: unknown): Baseline {
  if (isReport(value)) return value;
  throw unusable('it is not a report of load or ci', 'name what an earlier run wrote with --output');
}

/** Whether all that is compared is there; the rest is of no interest. */
function isReport(value: unknown): value is Baseline {
  const { version, command, mode, fixtures, server, reference } = partsOf(value);
  return (
    version === REPORT_VERSION &&
    (command === 'load' || command === 'ci') &&
    (mode === 'online' || mode === 'exclusive') &&
    Array.isArray(fixtures) &&
    fixtures.map(partsOf).every(isLoaded) &&
    isVersion(partsOf(server).version) &&
    (reference === undefined || isRatio(partsOf(reference)))
  );
}

function isVersion(version: unknown): boolean {
  return typeof version === 'string' && /^\d/.test(version);
}

function isLoaded({ name, rows, fingerprint }: Parts): boolean {
  return typeof name === 'string' && typeof fingerprint === 'string' && Number.isInteger(rows);
}

/** Beyond that no load is measured, and percentages of it are no numbers. */
const MAX_RATIO = 1e6;

function isRatio({ median, interval }: Parts): boolean {
  const [low, high] = Array.isArray(interval) ? (interval as unknown[]) : [];
  const numbers = [low, median, high].filter((number) => typeof number === 'number');
  const isRising = numbers.every((number, i) => number >= (numbers[i - 1] ?? 1 / MAX_RATIO));
  return numbers.length === 3 && isRising && numbers.every((number) => number <= MAX_RATIO);
}

function partsOf(value: unknown): Parts {
  return Object(value) as Parts;
}

/** Refuses a baseline whose times mean something else than this run's. What is not known yet is not compared. */
export function refuseIncomparable(baseline: Baseline | undefined, run: ThisRun): void {
  const difference = baseline && differenceTo(baseline, run);
  if (difference === undefined) return;
  throw unusable(
    difference,
    'name a report of the same fixtures, mode and PostgreSQL, and make a new one otherwise',
  );
}

function differenceTo(baseline: Baseline, { mode, fixtures, serverVersion }: ThisRun): string | undefined {
  if (baseline.mode !== mode) return `it is of ${baseline.mode} mode, this run of ${mode} mode`;
  // In several schemas stand the same.
  const earlierOnes = new Map(baseline.fixtures.map((fixture) => [fixture.name, fixture]));
  const names = new Set(fixtures.map(({ name }) => name));
  const [then = '', now = ''] = [earlierOnes.keys(), names].map((list) => [...list].sort().join(', '));
  if (then !== now) return `it is of the fixtures ${then}, this run of ${now}`;
  for (const { name, rows, fingerprint } of fixtures) {
    const earlier = earlierOnes.get(name)!;
    if (earlier.rows !== rows) return `its fixture ${name} has ${earlier.rows} rows, this run's ${rows}`;
    if (fingerprint !== undefined && earlier.fingerprint !== fingerprint)
      return `the fingerprints of fixture ${name} differ: ${earlier.fingerprint} then, ${fingerprint} now`;
  }
  const { version } = baseline.server;
  const [before = '', major = ''] = [version, serverVersion ?? version].map((one) => one.split('.')[0]);
  return before === major ? undefined : `it is of PostgreSQL ${before}, this run of PostgreSQL ${major}`;
}

function unusable(problem: string, hint: string): ScaleSeedError {
  return refusal(`the baseline cannot be compared with: ${problem}`, hint, { code: 'configuration' });
}
