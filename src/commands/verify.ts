import type { Command } from 'commander';
import { verify } from '../operations/verify.js';
import { conclude } from './conclude.js';
import { execute } from './execute.js';
import { withHelp } from './help.js';
import { parseDuration } from './parse.js';
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

interface VerifyFlags extends DatabaseFlags, FixtureFlags, OutputFlags {
  maxAge?: number;
}

/** `scale-seed verify`. */
export function registerVerify(program: Command): void {
  const command = program
    .command('verify')
    .description('hold the rows against the fixtures, and say which drifted, how, and how many')
    .option(
      '--max-age <duration>',
      'a fleet whose times are older than this counts as drifted (default: any age will do)',
      parseDuration,
    )
    .action(async (names: string[], flags: VerifyFlags) => {
      const { fixtures } = await fixturesOf(names, flags);
      const report = await execute('verify', flags, (control) =>
        verify({ ...databaseOf(flags), ...control, fixtures, maxAgeMs: flags.maxAge }),
      );
      process.exitCode = conclude(report);
    });
  withOutputFlags(withDatabaseFlags(withFixtureFlags(command)));
  withHelp(
    command,
    [
      ['scale-seed verify', 'the fleet: 01 and 02'],
      ['scale-seed verify --max-age 1h', 'a stale fleet has drifted too'],
      ['scale-seed verify --set all --format markdown', 'for a job summary'],
    ],
    ['drift'],
  );
}
