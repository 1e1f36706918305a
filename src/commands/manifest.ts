import type { Command } from 'commander';
import { manifest } from '../operations/manifest.js';
import { underControl } from './execute.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import {
  databaseOf,
  fixturesOf,
  withDatabaseFlags,
  withFixtureFlags,
  withProgressFlags,
  type DatabaseFlags,
  type FixtureFlags,
  type ProgressFlags,
} from './shared-options.js';
import { refuseUnwritable, STDOUT, writeResult } from './outputs.js';

interface ManifestFlags extends DatabaseFlags, FixtureFlags, ProgressFlags {
  standing: boolean;
  output?: string;
}

/** `scale-seed manifest`. */
export function registerManifest(program: Command): void {
  const command = program
    .command('manifest')
    .description(
      'what load-test scripts need to know of a fleet: sizes, ids, fingerprints, and what is loaded',
    )
    .option('--no-standing', 'without what stands in a database')
    .option('--output <file>', 'write to a file, not to standard output')
    .action(async (names: string[], flags: ManifestFlags) => {
      const { fixtures } = await fixturesOf(names, flags);
      await refuseUnwritable(flags);
      const found = await underControl(flags, (control) =>
        manifest({ ...databaseOf(flags), ...control, fixtures, standing: flags.standing }),
      );
      await writeResult('output', flags.output ?? STDOUT, `${JSON.stringify(found, null, 2)}\n`);
      process.exitCode = EXIT.done;
    });
  withProgressFlags(withDatabaseFlags(withFixtureFlags(command)));
  withHelp(command, [
    ['scale-seed manifest --output fleet.json', "for k6's open()"],
    ['scale-seed manifest --no-standing --set fleet-50k', 'of what would be loaded'],
  ]);
}
