import type { Command } from 'commander';
import { clean, type CleanPlan } from '../operations/clean.js';
import { cleanFleets } from '../operations/fleets.js';
import { confirmOnTerminal } from './confirm.js';
import { execute } from './execute.js';
import { withHelp } from './help.js';
import { conclude, inSchemas, withJobsFlag } from './schemas.js';
import {
  fixturesOf,
  withDatabaseFlags,
  withFixtureFlags,
  withOutputFlags,
  type DatabaseFlags,
  type FixtureFlags,
  type OutputFlags,
} from './shared-options.js';

interface CleanFlags extends DatabaseFlags, FixtureFlags, OutputFlags {
  yes?: true;
  settle: boolean;
  jobs?: number;
}

/** `scale-seed clean`. */
export function registerClean(program: Command): void {
  const command = program
    .command('clean')
    .description("remove exactly the fixtures' rows, and say what went with them")
    .option('--yes', 'do not ask')
    .option('--no-settle', 'skip the final VACUUM (ANALYZE)')
    .action(async (names: string[], flags: CleanFlags) => {
      const { fixtures } = await fixturesOf(names, flags);
      const asks = flags.yes !== true;
      // A question and bars do not share a terminal.
      const report = await execute({ ...flags, progress: flags.progress && !asks }, (control) =>
        inSchemas(
          flags,
          {
            ...control,
            fixtures,
            settle: flags.settle,
            jobs: flags.jobs,
            confirm: asks
              ? (plan: CleanPlan, signal: AbortSignal) => confirmOnTerminal(questionFor(plan), signal)
              : undefined,
          },
          clean,
          cleanFleets,
        ),
      );
      process.exitCode = conclude(report);
    });
  withOutputFlags(withDatabaseFlags(withFixtureFlags(withJobsFlag(command))));
  withHelp(command, [
    ['scale-seed clean', 'the fleet; asks first'],
    ['scale-seed clean --set all --yes', 'in a script'],
    ['scale-seed clean --certs 1000000 --yes', 'a sized fleet'],
  ]);
}

function questionFor({ fixture, schema, table, rows, dependents }: CleanPlan): string {
  const more = dependents.map(
    ({ table: child, rows: count, effect }) => `, ${count} ${child} rows ${effect}`,
  );
  return `Delete ${rows} rows of ${fixture} from ${schema}.${table}${more.join('')}?`;
}
