import type { Command } from 'commander';
import { verify } from '../verify.js';
import { execute } from './execute.js';
import { EXIT } from './exit-codes.js';
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
      'a fleet whose times are older than this counts as drifted',
      parseDuration,
    )
    .action(async (names: string[], flags: VerifyFlags) => {
      const fixtures = await fixturesOf(names, flags);
      const report = await execute(flags, (control) =>
        verify({ ...databaseOf(flags), ...control, fixtures, maxAgeMs: flags.maxAge }),
      );
      process.exitCode = report.intact ? EXIT.done : EXIT.drift;
    });
  withOutputFlags(withDatabaseFlags(withFixtureFlags(command)));
}
