import type { Command } from 'commander';
import { resetFleets } from '../operations/fleets.js';
import { reset } from '../operations/reset.js';
import { execute } from './execute.js';
import { withHelp } from './help.js';
import { withLoadFlags, type LoadFlags } from './load.js';
import { conclude, inSchemas, withJobsFlag } from './schemas.js';
import { fixturesOf, withDatabaseFlags, withFixtureFlags, withOutputFlags } from './shared-options.js';

/** `scale-seed reset`. */
export function registerReset(program: Command): void {
  const command = program
    .command('reset')
    .description('put existing rows back to their pristine values on a fresh anchor, add missing ones')
    .action(async (names: string[], flags: LoadFlags) => {
      const chosen = await fixturesOf(names, flags);
      const { createParents, settle, force, jobs } = flags;
      const options = { ...chosen, createParents, settle, force, jobs };
      const report = await execute(flags, (control) =>
        inSchemas(flags, { ...options, ...control }, reset, resetFleets),
      );
      process.exitCode = conclude(report);
    });
  withOutputFlags(withLoadFlags(withDatabaseFlags(withFixtureFlags(withJobsFlag(command)))));
  withHelp(
    command,
    [
      ['scale-seed reset', 'the fleet, after a scenario changed it'],
      ['scale-seed reset 02_agent_fleet', 'fresh heartbeats'],
    ],
    ['drift'],
  );
}
