import type { Command } from 'commander';
import { clean, type CleanPlan } from '../operations/clean.js';
import { conclude } from './conclude.js';
import { confirmOnTerminal } from './confirm.js';
import { execute } from './execute.js';
import { withHelp } from './help.js';
import {
  databaseOf,
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
      const confirm = asks
        ? (plan: CleanPlan, signal: AbortSignal) => confirmOnTerminal(questionFor(plan), signal)
        : undefined;
      // A question and bars do not share a terminal.
      const quiet = { ...flags, progress: flags.progress && !asks };
      const report = await execute('clean', quiet, (control) =>
        clean({ ...databaseOf(flags), ...control, fixtures, settle: flags.settle, confirm }),
      );
      process.exitCode = conclude(report);
    });
  withOutputFlags(withDatabaseFlags(withFixtureFlags(command)));
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
