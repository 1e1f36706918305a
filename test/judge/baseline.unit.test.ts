import { describe, expect, it } from 'vitest';
import { asBaseline, refuseIncomparable, type ThisRun } from '../../src/judge/baseline.js';
import { judge } from '../../src/judge/verdict.js';
import { ciReport, measurementOf, noOpReport, roundsOf } from '../support/ci-report.js';

const [fixture] = ciReport().fixtures;
const { name, rows, fingerprint } = fixture!;
const run = (changes: Partial<ThisRun> = {}): ThisRun => ({
  mode: 'online',
  fixtures: [{ name, rows, fingerprint }],
  serverVersion: '16.9',
  ...changes,
});

describe('a baseline', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 0],
    ['an array', []],
    ['a text', 'report'],
    ['a report of verify', ciReport().verified],
    ['another version', { ...ciReport(), version: 2 }],
    ['no mode', { ...ciReport(), mode: undefined }],
    ['another mode', { ...ciReport(), mode: 'offline' }],
    ...['', ' ', 'x', 16, null].map((version): [string, unknown] => [
      `a server of version ${JSON.stringify(version)}`,
      { ...ciReport(), server: { version } },
    ]),
    ['no server', { ...ciReport(), server: undefined }],
    ['a fixture of nothing', { ...ciReport(), fixtures: [{}] }],
    ['a fixture of null', { ...ciReport(), fixtures: [null] }],
    ['a ratio without an interval', { ...ciReport(), reference: { median: 1 } }],
    ...[
      [null, 1, 1],
      [0.6, 0.55, 0.5],
      [0.5, 0.4, 0.6],
      [100, 0.0001, 0.001],
      [0, 1, 2],
      [-1, 1, 2],
      [1, 2, Infinity],
      [5e-324, 5e-324, 5e-324],
      [9e-7, 1, 1],
      [1, 1, 1.1e6],
      [Infinity, Infinity, Infinity],
      [NaN, NaN, NaN],
      ['0.5', '0.6', '0.7'],
    ].map(([low, median, high]): [string, unknown] => [
      `a ratio of ${String(median)} in ${String(low)} to ${String(high)}`,
      { ...ciReport(), reference: { median, interval: [low, high] } },
    ]),
  ])('is not %s', (_, value) => {
    expect(() => asBaseline(value)).toThrow(/the baseline cannot be compared with: it is not a report/);
  });

  it('may be of a load', () => {
    const { verdict: _, verified: __, ...report } = ciReport();
    const load = { ...report, command: 'load' };
    expect(asBaseline(load)).toBe(load);
    expect(() => {
      refuseIncomparable(asBaseline(load), run());
    }).not.toThrow();
  });

  it.each<[Partial<ThisRun>, RegExp]>([
    [{ mode: 'exclusive' }, /it is of online mode, this run of exclusive mode/],
    [{ serverVersion: '18.4' }, /it is of PostgreSQL 16, this run of PostgreSQL 18/],
    [
      { fixtures: [{ name: 'scale_certs', rows, fingerprint }] },
      /it is of the fixtures 01_bulk_renewal_certs, this run of scale_certs/,
    ],
    [{ fixtures: [{ name, rows: 9, fingerprint }] }, /has 10000 rows, this run's 9/],
    [
      { fixtures: [{ name, rows, fingerprint: 'sha256:1' }] },
      /the fingerprints of fixture 01_bulk_renewal_certs differ: sha256:0+ then, sha256:1 now/,
    ],
  ])('whose times mean something else is refused: %j', (changes, message) => {
    expect(() => {
      refuseIncomparable(ciReport(), run(changes));
    }).toThrow(message);
    expect(() => {
      refuseIncomparable(ciReport(), run(changes));
    }).toThrow(expect.objectContaining({ code: 'configuration' }));
  });

  it('is not held against what is not known yet', () => {
    const unknown = { serverVersion: undefined, fixtures: [{ name, rows, fingerprint: undefined }] };
    expect(() => {
      refuseIncomparable(ciReport(), run(unknown));
    }).not.toThrow();
  });

  it.each([
    ['had nothing to do', noOpReport()],
    ['had but a part to add', ciReport({ fixtures: [{ ...fixture!, inserted: 5, skipped: rows - 5 }] })],
  ])('that %s will do, as whole loads were measured for its ratio', (_, report) => {
    expect(() => {
      refuseIncomparable(report, run());
    }).not.toThrow();
    const reference = measurementOf(roundsOf([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]));
    const criteria = { baseline: { ...report, reference }, maxRegressionPercent: 30 };
    expect(judge(ciReport({ reference }), criteria).checks[1]).toMatchObject({
      name: 'max-regression',
      outcome: 'pass',
    });
  });
});
