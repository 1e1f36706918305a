import type { Command } from 'commander';
import type { DatabaseOptions } from '../run/options.js';
import type { FleetsReport, OneFleetReport } from '../report/result.js';
import { EXIT } from './exit-codes.js';
import { exitCodeOf, printFailure } from './failure.js';
import { parseJobs } from './parse.js';
import { databaseOf, type DatabaseFlags } from './shared-options.js';

/** Adds `--jobs` to commands that work on a single session in each schema. */
export function withJobsFlag(command: Command): Command {
  return command.option(
    '--jobs <n>',
    'schemas at work at once, where --schema names several (default: one for each processor, at least 2)',
    parseJobs,
  );
}

/** Calls a function of the library's for the schema that the flags name, or its twin for many schemas. */
export function inSchemas<Options extends object, One, Many>(
  flags: DatabaseFlags,
  options: Options,
  one: (options: Options & DatabaseOptions) => Promise<One>,
  many: (options: Options & DatabaseOptions & { schemas: readonly string[] }) => Promise<Many>,
): Promise<One | Many> {
  const { schema: schemas } = flags;
  if (schemas.length <= 1) return one({ ...databaseOf(flags), ...options });
  return many({ ...databaseOf({ ...flags, schema: [] }), ...options, schemas });
}

/** The exit code that a report asks for; what failed in one schema or another is printed. */
export function conclude(report: OneFleetReport | FleetsReport): number {
  if (!('fleets' in report)) return isIntact(report) ? EXIT.done : EXIT.drift;
  const failed = printFailures(report);
  if (failed !== undefined) return failed;
  return report.fleets.every((fleet) => fleet.report === undefined || isIntact(fleet.report))
    ? EXIT.done
    : EXIT.drift;
}

function isIntact(report: OneFleetReport): boolean {
  if (report.command === 'verify') return report.intact;
  if (report.command === 'reset') return report.fixtures.every(({ blocked }) => blocked === 0);
  return report.command !== 'load' || report.verified?.intact !== false;
}

/**
 * Prints each failure once, with all schemas that it struck. Interrupted counts more than failed; and only where every
 * schema would have to be called for differently does the whole command.
 */
function printFailures({ fleets }: FleetsReport): number | undefined {
  const codes = new Set<number>();
  const struck = new Map<string, { error: Error; schemas: string[] }>();
  for (const { schema, error } of fleets) {
    if (error === undefined) continue;
    codes.add(exitCodeOf(error, process.exitCode));
    const key = JSON.stringify(error);
    const same = struck.get(key) ?? { error, schemas: [] };
    same.schemas.push(schema);
    struck.set(key, same);
  }
  for (const { error, schemas } of struck.values()) printFailure(error, `${schemas.join(', ')}: `);
  const interrupted = [EXIT.sigint, EXIT.sigterm].find((code) => codes.has(code));
  if (codes.size === 0 || interrupted !== undefined) return interrupted;
  const allFailed = fleets.every(({ error }) => error !== undefined);
  return allFailed && codes.size === 1 && codes.has(EXIT.usage) ? EXIT.usage : EXIT.failed;
}
