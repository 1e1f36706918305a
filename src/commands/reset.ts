import type { ResetPlan } from '../operations/reset.js';
import { listRows } from '../report/units.js';
import { confirmUnless } from './confirm.js';
import { defineCommand } from './define-command.js';
import { DRY_RUN, loadOptions, loadOptionsOf, type LoadFlags } from './load.js';
import { OPERATION } from './shared-options.js';

type ResetFlags = LoadFlags & { yes?: true; dryRun?: true; keepDependents?: true };

const MODE =
  'where rows are loaded anew, exclusive locks the tables against readers too, and may rewrite them and rebuild plain indexes';

export const registerReset = defineCommand<ResetFlags>('reset', {
  description: 'make the fleet what a fresh load would make of it: rows, and what hangs on them',
  ...OPERATION,
  options: [
    ['--yes', 'do not ask before what hangs on the fleet is deleted'],
    ['--keep-dependents', 'leave what hangs on the fleet, and say what'],
    DRY_RUN,
    ...loadOptions(MODE),
  ],
  examples: [
    ['scale-seed reset --yes', 'after a scenario changed the fleet'],
    ['scale-seed reset --dry-run', 'what that would do'],
    ['scale-seed reset 02_agent_fleet --yes', 'fresh heartbeats'],
  ],
  codes: ['drift'],
  async run(names, flags) {
    const { execute, reset } = await import('./on-database.js');
    const { dryRun, keepDependents } = flags;
    const confirm = confirmUnless(flags, questionFor);
    // A question and bars do not share a terminal.
    const progress = flags.progress && (confirm === undefined || keepDependents === true);
    return execute('reset', names, { ...flags, progress }, (options) =>
      reset({ ...options, ...loadOptionsOf(flags), dryRun, keepDependents, confirm }),
    );
  },
});

function questionFor({ fixture, schema, table, dependents }: ResetPlan): string {
  return `Delete what hangs on ${fixture} in ${schema}.${table}: ${listRows(dependents)}?`;
}
