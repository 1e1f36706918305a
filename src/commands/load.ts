import type { LoadOptions } from '../operations/load.js';
import { MAX_STRANGERS } from '../run/guard.js';
import { defineCommand, type OptionSpec } from './define-command.js';
import { choiceOption, parseDuration } from './parse.js';
import { OPERATION, type OperationFlags } from './shared-options.js';

/** Options of commands that add rows, as commander parses them. */
export type LoadFlags = OperationFlags &
  Pick<LoadOptions, 'mode' | 'createParents' | 'settle' | 'force'> & { lockTimeout?: number };

/** For commands that change something. */
export const DRY_RUN: OptionSpec = ['--dry-run', 'change nothing, and say what would be changed'];

const LOAD_MODE =
  'exclusive may lock the tables and rebuild plain indexes in its transaction; for an owner without the right to set session_replication_role also foreign keys, which locks the tables that they refer to';

/** For commands that add rows. */
export const loadOptions = (mode = LOAD_MODE): readonly OptionSpec[] => [
  choiceOption('--mode <mode>', mode, ['online', 'exclusive']).default('online'),
  [
    '--lock-timeout <duration>',
    'how long exclusive mode, or a reset that locks the table, waits for locks (default: 10s)',
    parseDuration,
  ],
  ['--create-parents', 'insert the parent rows that are missing'],
  ['--no-settle', 'skip the final VACUUM (ANALYZE)'],
  ['--force', `go ahead where more than ${MAX_STRANGERS} rows of a table are of no known fixture`],
];

/** The library's options for what the flags say of the load. */
export function loadOptionsOf(flags: LoadFlags): LoadOptions {
  const { mode, lockTimeout: lockTimeoutMs, createParents, settle, force } = flags;
  return { mode, lockTimeoutMs, createParents, settle, force };
}

/** The harness's opt-in: where LOADTEST_SCALE_SEED is set and not true, nothing is to be loaded. Says so. */
export function optedOut(): boolean {
  const optIn = process.env.LOADTEST_SCALE_SEED;
  if (optIn === undefined || optIn.toLowerCase() === 'true') return false;
  process.stderr.write('scale-seed: LOADTEST_SCALE_SEED is not true: nothing was loaded\n');
  return true;
}

export const registerLoad = defineCommand<LoadFlags & { verify?: true; dryRun?: true }>('load', {
  description: 'load fixtures; existing rows are left alone',
  ...OPERATION,
  options: [
    ['--verify', 'read the rows back afterwards, and exit 4 if any has drifted; not with --dry-run'],
    DRY_RUN,
    ...loadOptions(),
  ],
  examples: [
    ['scale-seed load', 'the fleet: 01 and 02'],
    ['scale-seed load 01_bulk_renewal_certs', 'one fixture'],
    ['scale-seed load --set fleet-50k --verify', '03 and 04, read back'],
    ['scale-seed load --certs 1000000 --agents 50000', 'a fleet of any size'],
    ['scale-seed load --wait 60s --timeout 5m', 'once the server is up'],
    ['scale-seed load --format json --output load.json', 'the report, twice'],
    ["scale-seed load --schema 'fleet_*' --jobs 4", 'a fleet in each schema'],
  ],
  codes: ['drift'],
  async run(names, flags) {
    if (optedOut()) return undefined;
    const { execute, load } = await import('./on-database.js');
    return execute('load', names, flags, (options) =>
      load({ ...options, ...loadOptionsOf(flags), verify: flags.verify, dryRun: flags.dryRun }),
    );
  },
});
