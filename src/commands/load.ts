import type { Command } from 'commander';
import { load, type LoadOptions } from '../operations/load.js';
import { MAX_STRANGERS } from '../run/guard.js';
import { conclude } from './conclude.js';
import { execute } from './execute.js';
import { withHelp } from './help.js';
import { skipWhenOptedOut } from './opt-in.js';
import { choiceOption, parseDuration } from './parse.js';

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

/** Options of commands that add rows, as commander parses them. */
export interface LoadFlags extends DatabaseFlags, FixtureFlags, OutputFlags {
  mode: 'online' | 'exclusive';
  lockTimeout?: number;
  createParents?: true;
  settle: boolean;
  force?: true;
  verify?: true;
  citus?: true;
}

/** Adds the options of commands that add rows. */
export function withLoadFlags(command: Command): Command {
  return command
    .optionsGroup('Options:')
    .option('--create-parents', 'insert the parent rows that are missing')
    .option('--no-settle', 'skip the final VACUUM (ANALYZE)')
    .option('--force', `load where more than ${MAX_STRANGERS} rows of a table are of no known fixture`);
}

/** Adds the options that say how rows are loaded. */
export function withModeFlags(command: Command): Command {
  return command
    .addOption(
      choiceOption(
        '--mode <mode>',
        'exclusive may lock the tables and rebuild plain indexes in its transaction',
        ['online', 'exclusive'],
      ).default('online'),
    )
    .option(
      '--lock-timeout <duration>',
      'how long exclusive mode waits for a table (default: 10s)',
      parseDuration,
    )
    .option('--citus', 'load as into tables that Citus distributes (default: where it does)');
}

/** The library's options for what the flags say of the load. */
export function loadOptionsOf(flags: LoadFlags): LoadOptions {
  const { mode, lockTimeout: lockTimeoutMs, createParents, settle, force, citus } = flags;
  return { ...databaseOf(flags), mode, lockTimeoutMs, createParents, settle, force, citus };
}

/** `scale-seed load`. */
export function registerLoad(program: Command): void {
  const command = program
    .command('load')
    .description('load fixtures; existing rows are left alone')
    .option('--verify', 'read the rows back afterwards, and exit 4 if any has drifted')
    .action(async (names: string[], flags: LoadFlags) => {
      if (skipWhenOptedOut(process.env)) return;
      const chosen = await fixturesOf(names, flags);
      const report = await execute('load', flags, (control) =>
        load({ ...loadOptionsOf(flags), ...control, ...chosen, verify: flags.verify }),
      );
      process.exitCode = conclude(report);
    });
  withOutputFlags(withLoadFlags(withDatabaseFlags(withFixtureFlags(withModeFlags(command)))));
  withHelp(
    command,
    [
      ['scale-seed load', 'the fleet: 01 and 02'],
      ['scale-seed load 01_bulk_renewal_certs', 'one fixture'],
      ['scale-seed load --set fleet-50k --verify', '03 and 04, read back'],
      ['scale-seed load --certs 1000000 --agents 50000', 'a fleet of any size'],
      ['scale-seed load --wait 60s --timeout 5m', 'once the server is up'],
      ['scale-seed load --format json --output load.json', 'the report, twice'],
      ["scale-seed load --schema 'fleet_*' --jobs 4", 'a fleet in each schema'],
    ],
    ['drift'],
  );
}
