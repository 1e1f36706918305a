import { Option, type Command } from 'commander';
import { load, type LoadOptions } from '../load.js';
import { execute } from './execute.js';
import { EXIT } from './exit-codes.js';
import { optedOut } from './opt-in.js';
import { parseDuration, parseJobs } from './parse.js';
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
  jobs?: number;
  createParents?: true;
  settle: boolean;
  force?: true;
  verify?: true;
}

/** Adds the options of commands that add rows. */
export function withLoadFlags(command: Command): Command {
  return command
    .option('--create-parents', 'insert the parent rows that are missing')
    .option('--no-settle', 'skip the final VACUUM (ANALYZE)')
    .option('--force', 'load into a database that looks like a real fleet');
}

/** Adds the options that say how rows are loaded. */
export function withModeFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--mode <mode>',
        'exclusive may lock the tables and rebuild plain indexes in its transaction',
      )
        .choices(['online', 'exclusive'])
        .default('online'),
    )
    .option(
      '--jobs <n>',
      'sessions at work at once; more than fixtures: each is loaded in parts that commit one by one, no longer all or nothing',
      parseJobs,
    )
    .option(
      '--lock-timeout <duration>',
      'how long exclusive mode waits for a table (default: 10s)',
      parseDuration,
    );
}

/** The library's options for what the flags say of the load. */
export function loadOptionsOf(flags: LoadFlags): LoadOptions {
  const { mode, jobs, lockTimeout: lockTimeoutMs, createParents, settle, force } = flags;
  return { mode, jobs, lockTimeoutMs, createParents, settle, force };
}

/** `scale-seed load`. */
export function registerLoad(program: Command): void {
  const command = program
    .command('load')
    .description('load fixtures; rows that stand are left alone')
    .option('--verify', 'read the rows back afterwards, and exit 4 if any has drifted')
    .action(async (names: string[], flags: LoadFlags) => {
      if (optedOut(process.env)) return;
      const fixtures = await fixturesOf(names, flags);
      const report = await execute(flags, (control) =>
        load({
          ...databaseOf(flags),
          ...loadOptionsOf(flags),
          ...control,
          fixtures,
          verify: flags.verify,
        }),
      );
      process.exitCode = report.verified?.intact === false ? EXIT.drift : EXIT.done;
    });
  withOutputFlags(withLoadFlags(withDatabaseFlags(withFixtureFlags(withModeFlags(command)))));
}
