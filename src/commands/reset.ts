import type { Command } from 'commander';
import { reset } from '../reset.js';
import { execute } from './execute.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { withLoadFlags, type LoadFlags } from './load.js';
import {
  databaseOf,
  fixturesOf,
  withDatabaseFlags,
  withFixtureFlags,
  withOutputFlags,
} from './shared-options.js';

/** `scale-seed reset`. */
export function registerReset(program: Command): void {
  const command = program
    .command('reset')
    .description('put existing rows back to their pristine values on a fresh anchor, add missing ones')
    .action(async (names: string[], flags: LoadFlags) => {
      const fixtures = await fixturesOf(names, flags);
      const { createParents, settle, force } = flags;
      await execute(flags, (control) =>
        reset({ ...databaseOf(flags), ...control, fixtures, createParents, settle, force }),
      );
      process.exitCode = EXIT.done;
    });
  withOutputFlags(withLoadFlags(withDatabaseFlags(withFixtureFlags(command))));
  withHelp(command, [
    ['scale-seed reset', 'the fleet, after a scenario changed it'],
    ['scale-seed reset 02_agent_fleet', 'fresh heartbeats'],
  ]);
}
