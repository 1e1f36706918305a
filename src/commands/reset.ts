import { reset } from '../operations/reset.js';
import { defineCommand } from './define-command.js';
import { execute } from './execute.js';
import { ADD_OPTIONS, type AddFlags } from './load.js';
import { OPERATION } from './shared-options.js';

/** `scale-seed reset`. */
export const registerReset = defineCommand<AddFlags>('reset', {
  description: 'put existing rows back to their pristine values on a fresh anchor, add missing ones',
  ...OPERATION,
  options: ADD_OPTIONS,
  examples: [
    ['scale-seed reset', 'the fleet, after a scenario changed it'],
    ['scale-seed reset 02_agent_fleet', 'fresh heartbeats'],
  ],
  codes: ['drift'],
  run(names, flags) {
    const { createParents, settle, force } = flags;
    return execute('reset', names, flags, (options) => reset({ ...options, createParents, settle, force }));
  },
});
