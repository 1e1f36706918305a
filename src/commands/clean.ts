import type { Command } from 'commander';
import { clean, type CleanOptions, type CleanPlan } from '../operations/clean.js';
import { conclude } from './conclude.js';
import { confirmOnTerminal } from './confirm.js';
import { defineCommand } from './define-command.js';
import { execute } from './execute.js';
import { FIXTURE_NAMES, OPERATION_OPTIONS, type OperationFlags } from './shared-options.js';

/** `scale-seed clean`. */
export function registerClean(program: Command): void {
  defineCommand<OperationFlags & { yes?: true; settle: boolean }>(program, 'clean', {
    description: "remove exactly the fixtures' rows, and say what went with them",
    argument: FIXTURE_NAMES,
    options: {
      'Options:': [
        ['--yes', 'do not ask'],
        ['--no-settle', 'skip the final VACUUM (ANALYZE)'],
      ],
      ...OPERATION_OPTIONS,
    },
    examples: [
      ['scale-seed clean', 'the fleet; asks first'],
      ['scale-seed clean --set all --yes', 'in a script'],
      ['scale-seed clean --certs 1000000 --yes', 'a sized fleet'],
    ],
    async run(names, { yes, settle, ...flags }) {
      const confirm: CleanOptions['confirm'] =
        yes === true ? undefined : (plan, signal) => confirmOnTerminal(questionFor(plan), signal);
      // A question and bars do not share a terminal.
      const progress = flags.progress && confirm === undefined;
      const report = await execute('clean', names, { ...flags, progress }, (options) =>
        clean({ ...options, settle, confirm }),
      );
      return conclude(report);
    },
  });
}

function questionFor({ fixture, schema, table, rows, dependents }: CleanPlan): string {
  const more = dependents.map((child) => `, ${child.rows} ${child.table} rows ${child.effect}`);
  return `Delete ${rows} rows of ${fixture} from ${schema}.${table}${more.join('')}?`;
}
