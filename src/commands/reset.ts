import type { Command } from 'commander';
import { reset } from '../operations/reset.js';
import { conclude } from './conclude.js';
import { execute } from './execute.js';
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
      const chosen = await fixturesOf(names, flags);
      const { createParents, settle, force } = flags;
      const report = await execute('reset', flags, (control) =>
        reset({ ...databaseOf(flags), ...control, ...chosen, createParents, settle, force }),
      );
      process.exitCode = conclude(report);
    });
  withOutputFlags(withLoadFlags(withDatabaseFlags(withFixtureFlags(command))));
  withHelp(
    command,
    [
      ['scale-seed reset', 'the fleet, after a scenario changed it'],
      ['scale-seed reset 02_agent_fleet', 'fresh heartbeats'],
    ],
    ['drift'],
  );
}
