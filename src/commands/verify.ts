import type { Command } from 'commander';
import { verifyFleets } from '../operations/fleets.js';
import { verify } from '../operations/verify.js';
import { execute } from './execute.js';
import { withHelp } from './help.js';
import { parseDuration } from './parse.js';
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

interface VerifyFlags extends DatabaseFlags, FixtureFlags, OutputFlags {
  maxAge?: number;
  jobs?: number;
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
      const report = await execute(flags, (control) =>
        inSchemas(
          flags,
          { ...control, fixtures, jobs: flags.jobs, maxAgeMs: flags.maxAge },
          verify,
          verifyFleets,
        ),
      );
      process.exitCode = conclude(report);
    });
  withOutputFlags(withDatabaseFlags(withFixtureFlags(withJobsFlag(command))));
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
