import { clean, type CleanOptions, type CleanPlan } from '../operations/clean.js';
import { confirmOnTerminal } from './confirm.js';
import { defineCommand } from './define-command.js';
import { execute } from './execute.js';
import { OPERATION, type OperationFlags } from './shared-options.js';

/** `scale-seed clean`. */
export const registerClean = defineCommand<OperationFlags & { yes?: true; settle: boolean }>('clean', {
  description: "remove exactly the fixtures' rows, and say what went with them",
  ...OPERATION,
  options: [
    ['--yes', 'do not ask'],
    ['--no-settle', 'skip the final VACUUM (ANALYZE)'],
  ],
  examples: [
    ['scale-seed clean', 'the fleet; asks first'],
    ['scale-seed clean --set all --yes', 'in a script'],
    ['scale-seed clean --certs 1000000 --yes', 'a sized fleet'],
  ],
  run(names, { yes, settle, ...flags }) {
    const confirm: CleanOptions['confirm'] =
      yes === true ? undefined : (plan, signal) => confirmOnTerminal(questionFor(plan), signal);
    // A question and bars do not share a terminal.
    const progress = flags.progress && confirm === undefined;
    return execute('clean', names, { ...flags, progress }, (options) =>
      clean({ ...options, settle, confirm }),
    );
  },
});

function questionFor({ fixture, schema, table, rows, dependents }: CleanPlan): string {
  const more = dependents.map((child) => `, ${child.rows} ${child.table} rows ${child.effect}`);
  return `Delete ${rows} rows of ${fixture} from ${schema}.${table}${more.join('')}?`;
}
