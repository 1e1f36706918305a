import type { Check, CiReport } from '../report/result.js';
import { describeCheck } from './describe-check.js';
import { driftRemarks } from './drift-remarks.js';

/** A test case of the report. */
interface Case {
  suite: 'load' | 'verify' | 'verdict';
  name: string;
  seconds: number;
  /** An element with what went wrong, if anything did. */
  result?: { kind: 'failure' | 'error' | 'skipped'; message: string };
  output?: string;
}

/** A report of ci as JUnit XML: every fixture's load, its verification, and each criterion is a test case. */
export function renderJunit({ fixtures, verified, verdict, reference }: CiReport): string {
  return layOut([
    ...fixtures.map((fixture): Case => ({
      suite: 'load',
      name: fixture.name,
      seconds: fixture.timings.totalMs / 1000,
      output: `${fixture.inserted} rows inserted, ${fixture.skipped} stood already; ${fixture.fingerprint}`,
    })),
    ...verified.fixtures.map((fixture): Case => {
      const message = driftRemarks(fixture).join('\n') || 'the rows drifted';
      return {
        suite: 'verify',
        name: fixture.name,
        seconds: fixture.timings.totalMs / 1000,
        ...(fixture.intact ? {} : { result: { kind: 'failure', message } }),
      };
    }),
    ...verdict.checks
      .filter(({ name }) => name !== 'verify')
      .map((check) =>
        caseOfCheck(check, check.name === 'budget-ratio' ? (reference?.totalMs ?? 0) / 1000 : 0),
      ),
  ]);
}

/** What kept ci from a report, as JUnit XML. */
export function renderJunitError(message: string): string {
  return layOut([{ suite: 'load', name: 'ci', seconds: 0, result: { kind: 'error', message } }]);
}

function caseOfCheck(check: Check, seconds: number): Case {
  const { name, outcome } = check;
  const message = describeCheck(check);
  const kind = outcome === 'fail' ? 'failure' : 'skipped';
  return {
    suite: 'verdict',
    name,
    seconds,
    ...(outcome === 'pass' ? { output: message } : { result: { kind, message } }),
  };
}

function layOut(cases: readonly Case[]): string {
  const suites = [...new Set(cases.map(({ suite }) => suite))].map((suite) => {
    const members = cases.filter((testCase) => testCase.suite === suite);
    return `  <testsuite name="${suite}"${totalsOf(members)}>\n${members.map(elementOf).join('')}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="scale-seed ci"${totalsOf(cases)}>\n${suites.join('')}</testsuites>\n`;
}

function totalsOf(cases: readonly Case[]): string {
  const count = (kind: string): number => cases.filter(({ result }) => result?.kind === kind).length;
  const seconds = cases.reduce((sum, testCase) => sum + testCase.seconds, 0);
  return ` tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}" time="${seconds.toFixed(3)}"`;
}

function elementOf({ suite, name, seconds, result, output }: Case): string {
  const parts = [
    ...(result === undefined ? [] : [resultOf(result, `scale-seed.${suite}`)]),
    ...(output === undefined ? [] : [`<system-out>${escape(output)}</system-out>`]),
  ];
  return `    <testcase classname="scale-seed.${suite}" name="${escape(name)}" time="${seconds.toFixed(3)}">${parts.join('')}</testcase>\n`;
}

/** Said twice, as readers of JUnit show one or the other; a skipped case has neither type nor body. */
function resultOf({ kind, message }: NonNullable<Case['result']>, type: string): string {
  const text = escape(message);
  if (kind === 'skipped') return `<skipped message="${text}"/>`;
  return `<${kind} type="${type}" message="${text}">${text}</${kind}>`;
}

/** Text for XML 1.0, which has no way at all to write some control characters; white space would be lost in an attribute. */
function escape(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"'\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
