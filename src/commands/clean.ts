import type { Command } from 'commander';
import { clean, type CleanPlan } from '../clean.js';
import { confirmOnTerminal } from './confirm.js';
import { execute } from './execute.js';
import { EXIT } from './exit-codes.js';
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
      const fixtures = await fixturesOf(names, flags);
      const asks = flags.yes !== true;
      // A question and bars do not share a terminal.
      await execute({ ...flags, progress: flags.progress && !asks }, (control) =>
        clean({
          ...databaseOf(flags),
          ...control,
          fixtures,
          settle: flags.settle,
          confirm: asks ? (plan) => confirmOnTerminal(questionFor(plan), control.signal) : undefined,
        }),
      );
      process.exitCode = EXIT.done;
    });
  withOutputFlags(withDatabaseFlags(withFixtureFlags(command)));
  withHelp(command, [
    ['scale-seed clean', 'the fleet; asks first'],
    ['scale-seed clean --set all --yes', 'in a script'],
    ['scale-seed clean --certs 1000000 --yes', 'a sized fleet'],
  ]);
}

function questionFor({ fixture, table, rows, dependents }: CleanPlan): string {
  const more = dependents.map(
    ({ table: child, rows: count, effect }) => `, ${count} ${child} rows ${effect}`,
  );
  return `Delete ${rows} rows of ${fixture} from ${table}${more.join('')}?`;
}
