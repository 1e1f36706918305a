import type { Failure, Report, Verdict } from '../report/result.js';
import { EXIT } from './exit-codes.js';
import { exitCodeOf, printFailure } from './failure.js';

const VERDICTS: Readonly<Record<Verdict['outcome'], number>> = {
  pass: EXIT.done,
  drift: EXIT.drift,
  'over budget': EXIT.overBudget,
  regressed: EXIT.overBudget,
};

/** The exit code that a report asks for; what failed in one schema or another is printed. */
export function conclude(report: Report): number {
  const { failures } = report;
  if (failures.length > 0) return concludeFailures(failures, report.fixtures.length > 0);
  switch (report.command) {
    case 'load':
      return isWhole(report) && report.verified?.intact !== false ? EXIT.done : EXIT.drift;
    case 'reset':
      return isWhole(report) ? EXIT.done : EXIT.drift;
    case 'verify':
      return report.intact ? EXIT.done : EXIT.drift;
    case 'clean':
      return EXIT.done;
    case 'ci':
      return VERDICTS[report.verdict.outcome];
  }
}

/** Every row of the fixtures stands. */
function isWhole({ fixtures }: { fixtures: readonly { rows: number; present: number }[] }): boolean {
  return fixtures.every(({ rows, present }) => present >= rows);
}

/**
 * Prints each failure once, with all schemas that it struck. Interrupted counts more than failed; and only where nothing
 * was done, and each would have to be called for differently, does the whole command.
 */
function concludeFailures(failures: readonly Failure[], someDone: boolean): number {
  const struck = new Map<string, { failure: Failure; schemas: Set<string> }>();
  for (const failure of failures) {
    const { schema, ...rest } = failure;
    const same = struck.get(JSON.stringify(rest)) ?? { failure, schemas: new Set() };
    if (schema !== null) same.schemas.add(schema);
    struck.set(JSON.stringify(rest), same);
  }
  for (const { failure, schemas } of struck.values()) printFailure(failure, `${[...schemas].join(', ')}: `);
  const codes = new Set(failures.map((failure) => exitCodeOf(failure, process.exitCode)));
  const interrupted = [EXIT.sigint, EXIT.sigterm].find((code) => codes.has(code));
  if (interrupted !== undefined) return interrupted;
  return !someDone && codes.size === 1 && codes.has(EXIT.usage) ? EXIT.usage : EXIT.failed;
}
