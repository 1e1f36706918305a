import type { CiReport } from '../report/result.js';
import { named } from '../report/schemas.js';
import { formatCount, formatRows } from '../report/units.js';
import { describeBlockedRows, describeCheck, describeDrift, describeFailure } from './describe.js';

/** A test case of the report. */
interface Case {
  suite: 'load' | 'verify' | 'verdict';
  name: string;
  ms: number;
  /** `output` where nothing went wrong. */
  kind: 'output' | 'failure' | 'error' | 'skipped';
  message: string;
}

/** A report of ci as JUnit XML: every fixture's load, its verification, and each criterion is a test case. */
export function renderJunit(report: CiReport): string {
  const { failures, verified, verdict, reference } = report;
  return layOut([
    ...failures.map((failure): Case => {
      const suite = failure.phase === 'verify' ? 'verify' : 'load';
      const message = describeFailure(failure).join('\n');
      return { suite, name: failure.schema ?? 'ci', ms: 0, kind: 'error', message };
    }),
    ...named(report).map((fixture): Case => {
      const { name, timings, inserted, skipped, fingerprint } = fixture;
      const blocked = describeBlockedRows(fixture);
      const loaded = `${formatRows(inserted)} inserted, ${formatCount(skipped)} stood already; ${fingerprint}`;
      const message = [...blocked, loaded].join('\n');
      const kind = blocked.length > 0 ? 'failure' : 'output';
      return { suite: 'load', name, ms: timings.totalMs, kind, message };
    }),
    ...named(verified).map((fixture): Case => {
      const { name, timings, intact } = fixture;
      const message = intact ? '' : describeDrift(fixture, verified.live).join('\n') || 'the rows drifted';
      return { suite: 'verify', name, ms: timings.totalMs, kind: intact ? 'output' : 'failure', message };
    }),
    ...verdict.checks
      .filter(({ name }) => name !== 'verify')
      .map((check): Case => {
        const ms = check.name === 'budget-ratio' ? (reference?.totalMs ?? 0) : 0;
        const otherwise = check.outcome === 'fail' ? 'failure' : 'skipped';
        const kind = check.outcome === 'pass' ? 'output' : otherwise;
        return { suite: 'verdict', name: check.name, ms, kind, message: describeCheck(check) };
      }),
  ]);
}

/** What kept ci from a report, as JUnit XML. */
export function renderJunitError(message: string): string {
  return layOut([{ suite: 'load', name: 'ci', ms: 0, kind: 'error', message }]);
}

function layOut(cases: readonly Case[]): string {
  const suites = [...new Set(cases.map(({ suite }) => suite))].map((suite) => {
    const members = cases.filter((testCase) => testCase.suite === suite);
    return `  <testsuite name="${suite}"${totalsOf(members)}>\n${members.map(elementOf).join('')}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="scale-seed ci"${totalsOf(cases)}>\n${suites.join('')}</testsuites>\n`;
}

function totalsOf(cases: readonly Case[]): string {
  const count = (wanted: Case['kind']): number => cases.filter(({ kind }) => kind === wanted).length;
  const ms = cases.reduce((sum, testCase) => sum + testCase.ms, 0);
  return ` tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}" ${timeOf(ms)}`;
}

function elementOf(testCase: Case): string {
  const { suite, name, ms } = testCase;
  return `    <testcase classname="scale-seed.${suite}" name="${escape(name)}" ${timeOf(ms)}>${resultOf(testCase)}</testcase>\n`;
}

function timeOf(ms: number): string {
  return `time="${(ms / 1000).toFixed(3)}"`;
}

/** A failure is said twice, as readers of JUnit show one or the other; a skipped case has neither type nor body. */
function resultOf({ suite, kind, message }: Case): string {
  const text = escape(message);
  if (kind === 'output') return message === '' ? '' : `<system-out>${text}</system-out>`;
  if (kind === 'skipped') return `<skipped message="${text}"/>`;
  return `<${kind} type="scale-seed.${suite}" message="${text}">${text}</${kind}>`;
}

/** Text for XML 1.0, which has no way at all to write some control characters; white space would be lost in an attribute. */
function escape(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"'\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
