import type { CleanPlan } from '../operations/clean.js';
import { formatRows, listRows } from '../report/units.js';
import { confirmUnless } from './confirm.js';
import { defineCommand } from './define-command.js';
import { DRY_RUN } from './load.js';
import { OPERATION, type OperationFlags } from './shared-options.js';

export const registerClean = defineCommand<OperationFlags & { yes?: true; dryRun?: true; settle: boolean }>(
  'clean',
  {
    description: "remove exactly the fixtures' rows, and say what went with them",
    ...OPERATION,
    options: [['--yes', 'do not ask'], DRY_RUN, ['--no-settle', 'skip the final VACUUM (ANALYZE)']],
    examples: [
      ['scale-seed clean', 'the fleet; asks first'],
      ['scale-seed clean --set all --yes', 'in a script'],
      ['scale-seed clean --certs 1000000 --yes', 'a sized fleet'],
    ],
    async run(names, flags) {
      const { clean, execute } = await import('./on-database.js');
      const { dryRun, settle } = flags;
      const confirm = confirmUnless(flags, questionFor);
      // A question and bars do not share a terminal.
      const progress = flags.progress && confirm === undefined;
      return execute('clean', names, { ...flags, progress }, (options) =>
        clean({ ...options, settle, dryRun, confirm }),
      );
    },
  },
);

function questionFor({ fixture, schema, table, rows, dependents }: CleanPlan): string {
  const more = dependents.length === 0 ? '' : `, and with them ${listRows(dependents)}`;
  return `Delete ${formatRows(rows)} of ${fixture} from ${schema}.${table}${more}?`;
}
