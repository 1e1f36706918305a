import type { Command } from 'commander';
import { reset } from '../operations/reset.js';
import { conclude } from './conclude.js';
import { defineCommand } from './define-command.js';
import { execute } from './execute.js';
import { ADD_OPTIONS, type AddFlags } from './load.js';
import { FIXTURE_NAMES, OPERATION_OPTIONS } from './shared-options.js';

/** `scale-seed reset`. */
export function registerReset(program: Command): void {
  defineCommand<AddFlags>(program, 'reset', {
    description: 'put existing rows back to their pristine values on a fresh anchor, add missing ones',
    argument: FIXTURE_NAMES,
    options: { 'Options:': ADD_OPTIONS, ...OPERATION_OPTIONS },
    examples: [
      ['scale-seed reset', 'the fleet, after a scenario changed it'],
      ['scale-seed reset 02_agent_fleet', 'fresh heartbeats'],
    ],
    codes: ['drift'],
    async run(names, flags) {
      const { createParents, settle, force } = flags;
      const report = await execute('reset', names, flags, (options) =>
        reset({ ...options, createParents, settle, force }),
      );
      return conclude(report);
    },
  });
}
