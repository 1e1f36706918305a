import type { Command } from 'commander';
import { manifest } from '../operations/manifest.js';
import { renderEnv } from '../report/manifest.js';
import { underControl } from './execute.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { choiceOption, parseVariablePrefix } from './parse.js';
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
import { refuseUnwritable, writeResult } from './outputs.js';

interface ManifestFlags extends DatabaseFlags, FixtureFlags, ProgressFlags {
  standing: boolean;
  format: 'json' | 'env';
  prefix: string;
  output?: string;
}

/** `scale-seed manifest`. */
export function registerManifest(program: Command): void {
  const command = program
    .command('manifest')
    .description(
      'what load-test scripts need to know of a fleet: sizes, ids, fingerprints, and what is loaded',
    )
    .option('--no-standing', 'do not look at the database (default: look, where one is named)')
    .addOption(
      choiceOption('--format <format>', 'JSON, or NAME=value lines', ['json', 'env']).default('json'),
    )
    .option('--prefix <word>', 'of the names of --format env', parseVariablePrefix, 'FLEET_')
    .option('--output <file>', 'write to a file, not to standard output')
    .action(async (names: string[], flags: ManifestFlags) => {
      const { fixtures } = await fixturesOf(names, flags);
      await refuseUnwritable(flags);
      const standing = flags.standing ? undefined : false;
      const found = await underControl(flags, (control) =>
        manifest({ ...databaseOf(flags), ...control, fixtures, standing }),
      );
      const text =
        flags.format === 'env' ? renderEnv(found, flags.prefix) : `${JSON.stringify(found, null, 2)}\n`;
      if (flags.output === undefined) process.stdout.write(text);
      else await writeResult('output', flags.output, text);
      process.exitCode = EXIT.done;
    });
  withProgressFlags(withDatabaseFlags(withFixtureFlags(command)));
  withHelp(command, [
    ['scale-seed manifest --output fleet.json', "for k6's open()"],
    ['scale-seed manifest --no-standing --set fleet-50k', 'of what would be loaded'],
    ['scale-seed manifest --format env >> "$GITHUB_ENV"', 'for later steps of a job'],
  ]);
}
