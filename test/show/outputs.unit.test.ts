import fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { describe, expect, it } from 'vitest';
import { benchmarkEntries } from '../../src/judge/benchmark.js';
import { annotate } from '../../src/show/annotate.js';
import { renderAnnotations } from '../../src/show/github.js';
import { renderJunit, renderJunitError } from '../../src/show/junit.js';
import { renderMarkdown } from '../../src/show/render.js';
import type { Check, CiReport, LoadedFixture } from '../../src/report/result.js';
import { inOneLine } from '../../src/report/units.js';
import { ciReport, measurementOf, roundsOf, verifiedFixture } from '../support/ci-report.js';
import { matchesSchema } from '../support/schema-validator.js';

const check = (changes: Partial<Check>): Check => ({
  name: 'budget',
  outcome: 'pass',
  reason: 'r',
  unit: 'ms',
  measured: 400,
  limit: 500,
  interval: null,
  ...changes,
});

const checks = [
  check({ name: 'verify', outcome: 'fail', unit: 'rows', measured: 3, limit: 0 }),
  check({ outcome: 'fail', measured: 400, limit: 300, reason: 'the load took longer than it may' }),
  check({
    name: 'budget-ratio',
    outcome: 'inconclusive',
    unit: 'ratio',
    measured: 0.9,
    limit: 0.9,
    interval: [0.8, 1],
  }),
  check({ name: 'max-regression', outcome: 'skipped', unit: 'percent', measured: null, limit: 20 }),
];

/** A value out of the database that does its worst. */
const nasty = '50%,::error::\n]]></testcase>&"\'\u0000\u001b[31m|';

const drifted: CiReport = ciReport({
  verified: {
    ...ciReport().verified,
    intact: false,
    fixtures: [
      verifiedFixture({
        intact: false,
        driftedRows: 3,
        drift: [{ column: 'status', rows: 3, examples: [{ key: nasty, expected: 'active', found: nasty }] }],
      }),
    ],
  },
  verdict: { outcome: 'drift', checks },
});

interface Element {
  name: string;
  attributes: Record<string, string>;
  text: string;
}

/** Parses XML strictly: throws where it is not well-formed. */
function parse(xml: string): Element[] {
  const parser = new SaxesParser();
  const elements: Element[] = [];
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    elements.push({ name, attributes, text: '' });
  });
  parser.on('text', (text) => {
    const last = elements.at(-1);
    if (last !== undefined) last.text += text.trim();
  });
  parser.write(xml).close();
  return elements;
}

describe('JUnit XML', () => {
  it('has a case for each fixture’s load, for its verification, and for each criterion', () => {
    const elements = parse(renderJunit(drifted));
    const cases = elements.filter(({ name }) => name === 'testcase');
    expect(cases.map(({ attributes }) => [attributes.classname, attributes.name, attributes.time])).toEqual([
      ['scale-seed.load', '01_bulk_renewal_certs', '0.390'],
      ['scale-seed.verify', '01_bulk_renewal_certs', '0.020'],
      ['scale-seed.verdict', 'budget', '0.000'],
      ['scale-seed.verdict', 'budget-ratio', '0.000'],
      ['scale-seed.verdict', 'max-regression', '0.000'],
    ]);
    expect(elements[0]).toMatchObject({
      name: 'testsuites',
      attributes: { tests: '5', failures: '2', errors: '0', skipped: '2' },
    });
    expect(elements.filter(({ name }) => name === 'failure')[1]?.attributes.message).toBe(
      'the load took 400 ms (budget 300 ms): the load took longer than it may',
    );
  });

  it.each([
    [{ inserted: 1, skipped: 9_999 }, '1 row inserted, 9,999 stood already; sha256:'],
    [{}, '10,000 rows inserted, 0 stood already; sha256:'],
  ])('counts in words as other reports do: %j', (counts, said) => {
    const fixtures = [{ ...ciReport().fixtures[0]!, ...counts }];
    const [output] = parse(renderJunit(ciReport({ fixtures }))).filter(({ name }) => name === 'system-out');
    expect(output?.text.startsWith(said)).toBe(true);
  });

  it('repeats what drifted, a row in a line of its own', () => {
    const [failure] = parse(renderJunit(drifted)).filter(({ name }) => name === 'failure');
    expect(failure?.attributes.message).toContain(inOneLine(nasty));
    expect(inOneLine(nasty)).toBe('50%,::error::\\n]]></testcase>&"\'\\u0000\\u001b[31m|');
  });

  it('is well-formed whatever the message', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, other) => {
        const message = text + other + String.fromCharCode(0xd800);
        const [, , , error] = parse(renderJunitError(message));
        expect(error?.name).toBe('error');
        expect(error?.attributes.message).toHaveLength(message.length);
      }),
    );
  });
});

describe('GitHub’s annotations', () => {
  it('are an error for each failure and a warning for what nobody can tell, a line each', () => {
    const lines = renderAnnotations(drifted).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(
      /^::error title=scale-seed ci%3A verify::01_bulk_renewal_certs: status drifted in 3 rows: 50%25,::error::\\n/,
    );
    expect(lines[1]).toBe(
      '::error title=scale-seed ci%3A budget::the load took 400 ms (budget 300 ms): the load took longer than it may',
    );
    expect(lines[2]).toBe(
      '::warning title=scale-seed ci%3A budget-ratio::the load took 0.90 times as long as the reference load (limit 0.90): r',
    );
    expect(lines[3]).toBe('');
  });

  it('are one line whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (title, text) => {
        const line = annotate('error', `${title}\n:`, `${text}\r\n%`);
        expect(line).toMatch(/^::error title=[^\n\r:,]*::[^\n\r]*\n$/);
      }),
    );
  });
});

describe('the benchmark file', () => {
  it('holds the times and the ratio, smaller is better', () => {
    const reference = measurementOf(roundsOf([0.5, 0.5, 0.5]), 0.5, [0.45, 0.56]);
    expect(benchmarkEntries(ciReport({ reference }))).toEqual([
      {
        name: 'load of 01_bulk_renewal_certs',
        unit: 'ms',
        value: 390,
        extra: 'PostgreSQL 16.4\nsha256:000000000000',
      },
      { name: 'load', unit: 'ms', value: 400, extra: 'PostgreSQL 16.4' },
      {
        name: 'load to reference load',
        unit: 'ratio',
        value: 0.5,
        range: '± 0.06',
        extra: 'PostgreSQL 16.4\n0.45 to 0.56 by 3 rounds',
      },
    ]);
  });

  it.each<[string, Partial<LoadedFixture>]>([
    ['had nothing to do', { inserted: 0, skipped: 10_000 }],
    ['had a part to do', { inserted: 9_999, skipped: 1 }],
    ['could not add a row', { inserted: 9_999, blocked: 1, present: 9_999 }],
    ['could add none', { inserted: 0, blocked: 10_000, present: 0 }],
  ])('has no time of a load that %s', (_, counts) => {
    const fixtures = [{ ...ciReport().fixtures[0]!, ...counts }];
    expect(benchmarkEntries(ciReport({ fixtures }))).toEqual([]);
  });
});

describe('the report', () => {
  it('matches the published schema', () => {
    for (const report of [drifted, ciReport({ reference: measurementOf(roundsOf([0.5])) })]) {
      expect(matchesSchema(report), JSON.stringify(matchesSchema.errors)).toBe(true);
    }
  });

  it('begins with the verdict in Markdown', () => {
    const reference = {
      ...measurementOf(roundsOf([0.5, 0.6, 0.7])),
      references: [{ fixture: '01_bulk_renewal_certs', source: 'generate_series' as const }],
      leftOut: ['trigger audit of managed_certificates', 'row security of agents'],
    };
    const [title, , head, , verify, budget, ratio, regression, , ...remarks] = renderMarkdown({
      ...drifted,
      reference,
    }).split('\n');
    expect([title, head, verify, budget, ratio, regression]).toEqual([
      '### Drifted: 01_bulk_renewal_certs',
      '| check | outcome | measured | 95 % interval | limit | reason |',
      '| verify | fail | 3 rows | - | 0 rows | r |',
      '| budget | fail | 400 ms | - | 300 ms | the load took longer than it may |',
      '| budget-ratio | inconclusive | 0.90 | 0.80 to 1.00 | 0.90 | r |',
      '| max-regression | skipped | - | - | +20 % | r |',
    ]);
    expect(remarks.slice(0, 3)).toEqual([
      '- reference load: INSERT ... SELECT out of generate_series for 01_bulk_renewal_certs, into empty copies of the tables',
      "- medians of 3 rounds: 500 ms ours, 1.00 s the reference's",
      '- the copies lack trigger audit of managed_certificates, row security of agents',
    ]);
  });

  it.each<[string, string]>([
    ['a <none> of "x"', 'a &lt;none> of "x"'],
    ['&lt; & |', '&amp;lt; &amp; \\|'],
    ['a\\|b\\\\|', 'a\\\\\\|b\\\\\\\\\\|'],
    ['\r\n\u007f\u0080\u009f\u2028\u2029', '\\\\r\\\\n\\\\u007f\\\\u0080\\\\u009f\\\\u2028\\\\u2029'],
  ])('says %j in Markdown so that it is read as it is', (value, written) => {
    const [fixture] = ciReport().fixtures;
    const markdown = renderMarkdown(
      ciReport({
        fixtures: [{ ...fixture!, table: value, blocked: 1, firstBlocked: { key: value, by: 'x' } }],
        verdict: { outcome: 'pass', checks: [check({ reason: value })] },
      }),
    );
    expect(markdown).toContain(`| 500 ms | ${written} |\n`);
    expect(markdown).toContain(` ${written} | 10,000 |`);
    expect(markdown).toContain(`1 row could not be added; ${written} cannot be added`);
  });

  it.each<[Check['unit'], number, string]>([
    ['ms', 0, '0 ms'],
    ['ms', 0.4, '0.4 ms'],
    ['ms', 0.6, '1 ms'],
    ['ms', 1.4, '1 ms'],
    ['ratio', 0.001, '0.001'],
    ['ratio', 0.9, '0.90'],
    ['percent', 0, '+0 %'],
    ['percent', 0.4, '+0.4 %'],
    ['percent', -0.04, '-0.04 %'],
    ['percent', 19.6, '+20 %'],
  ])('shows %s of %f as %s, and nothing above 0 as 0', (unit, amount, shown) => {
    const checks = [check({ unit, measured: amount, limit: amount })];
    expect(renderMarkdown(ciReport({ verdict: { outcome: 'pass', checks } }))).toContain(
      `| ${shown} | - | ${shown} | r |`,
    );
  });
});
