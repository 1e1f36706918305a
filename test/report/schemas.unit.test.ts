import { describe, expect, it } from 'vitest';
import type { Manifest, ManifestFixture } from '../../src/report/manifest.js';
import type { Failure, FailureReport } from '../../src/report/result.js';
import { ciReport, measurementOf, roundsOf, verifiedFixture } from '../support/ci-report.js';
import { matchesManifestSchema, matchesSchema } from '../support/schema-validator.js';

const report = ciReport({ reference: measurementOf(roundsOf([0.5])) });
const drift = [{ column: 'status', rows: 1, examples: [{ key: 'a', expected: 'Online', found: null }] }];
report.verified.fixtures = [verifiedFixture({ drift, anchors: [{ at: report.anchor, rows: 1 }] })];
report.verdict.checks = [
  { name: 'budget', outcome: 'pass', reason: '', unit: 'ms', measured: 1, limit: 2, interval: null },
];

const key = { prefix: 'ag-', digits: 5, suffix: '', first: 'ag-00001', last: 'ag-00009' };
const fixture: ManifestFixture = {
  name: '02_agent_fleet',
  table: 'agents',
  purpose: 'heartbeats',
  rows: 9,
  fingerprint: `sha256:${'0'.repeat(64)}`,
  keys: { id: key },
  mark: { column: 'id', prefix: 'ag-' },
  live: ['status'],
  constants: { status: 'Online' },
  standing: [
    { schema: 'public', present: 9, anchors: [{ at: report.anchor, rows: 9 }], anchorCount: 1, ageMs: 1 },
  ],
};
const manifest: Manifest = {
  version: 1,
  generatedAt: '2026-01-31T12:00:00.000Z',
  rows: { agents: 9 },
  fixtures: [fixture],
};

type Step = string | number;
type Json = Record<Step, unknown>;

/** Where a value has objects, but for maps, whose names are free. */
function objectsIn(value: unknown, path: Step[] = []): Step[][] {
  if (typeof value !== 'object' || value === null) return [];
  const own =
    Array.isArray(value) || ['rows', 'keys', 'constants'].includes(String(path.at(-1))) ? [] : [path];
  const inner = Object.entries(value).flatMap(([name, item]) => objectsIn(item, [...path, name]));
  return [...own, ...inner];
}

/** A copy in which the object at a path is changed. */
function changed(value: object, path: Step[], change: (object: Json) => void): object {
  const copy = structuredClone(value) as Json;
  change(path.reduce<Json>((object, step) => object[step] as Json, copy));
  return copy;
}

const OPTIONAL = new Set(['reference', 'standing']);

describe.each([
  ['report', report, matchesSchema],
  ['manifest', manifest, matchesManifestSchema],
])('the schema of a %s', (_name, sample, matches) => {
  const objects = objectsIn(sample).map((path) => ({ path, at: path.join('.') }));

  it('takes what is whole', () => {
    expect(matches(sample), JSON.stringify(matches.errors)).toBe(true);
  });

  it.each(objects)('rejects a field too many, and each that is missing, at "$at"', ({ path }) => {
    expect(matches(changed(sample, path, (object) => (object.unknown = 1)))).toBe(false);
    changed(sample, path, (object) => {
      for (const name of Object.keys(object)) {
        const without = changed(sample, path, (copy) => Reflect.deleteProperty(copy, name));
        expect(matches(without), name).toBe(OPTIONAL.has(name));
      }
    });
  });

  it.each<[string, Step[], Json]>([
    ['another version', [], { version: 2 }],
    ['a negative count', ['fixtures', 0], { rows: -1 }],
    ['half a row', ['fixtures', 0], { rows: 0.5 }],
    ['a number as text', ['fixtures', 0], { rows: '9' }],
    ['a fingerprint cut short', ['fixtures', 0], { fingerprint: 'sha256:00' }],
  ])('rejects %s', (_what, path, values) => {
    expect(matches(changed(sample, path, (object) => Object.assign(object, values)))).toBe(false);
  });
});

describe('the schema of a report', () => {
  it.each<[string, Step[], Json]>([
    ['a word that is none of the list', [], { mode: 'offline' }],
    ['no session at work', [], { jobs: 0 }],
    ['a start without its day', [], { startedAt: '12:00:00.000Z' }],
    ['an anchor to the millisecond', [], { anchor: '2026-01-31T12:00:00.000Z' }],
    ['a time below zero', ['timings'], { totalMs: -1 }],
    ['a probability above one', ['reference'], { confidence: 1.1 }],
    ['an interval of three', ['reference'], { interval: [1, 2, 3] }],
  ])('rejects %s', (_what, path, values) => {
    expect(matchesSchema(changed(report, path, (object) => Object.assign(object, values)))).toBe(false);
  });

  it('takes the failure that stands in its place, and no other number of them than one', () => {
    const failure: Failure = { schema: null, code: 'connect', phase: 'connect', message: 'refused' };
    const { startedAt } = report;
    const failed = (failures: Failure[]): FailureReport => ({
      version: 1,
      startedAt,
      command: 'load',
      failures: failures as [Failure],
    });
    expect(matchesSchema(failed([failure])), JSON.stringify(matchesSchema.errors)).toBe(true);
    expect(matchesSchema(failed([]))).toBe(false);
    expect(matchesSchema(failed([failure, failure]))).toBe(false);
  });

  it('explains its fields in the words of the types', () => {
    expect(JSON.stringify(matchesSchema.schema)).toContain('Rows inserted in a second of `totalMs`.');
  });
});
