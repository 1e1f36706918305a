import type { Command } from 'commander';
import { verify } from '../operations/verify.js';
import { conclude } from './conclude.js';
import { defineCommand } from './define-command.js';
import { execute } from './execute.js';
import { parseDuration } from './parse.js';
import { FIXTURE_NAMES, OPERATION_OPTIONS, type OperationFlags } from './shared-options.js';

const MAX_AGE = 'a fleet whose times are older than this counts as drifted (default: any age will do)';

/** `scale-seed verify`. */
export function registerVerify(program: Command): void {
  defineCommand<OperationFlags & { maxAge?: number }>(program, 'verify', {
    description: 'hold the rows against the fixtures, and say which drifted, how, and how many',
    argument: FIXTURE_NAMES,
    options: { 'Options:': [['--max-age <duration>', MAX_AGE, parseDuration]], ...OPERATION_OPTIONS },
    examples: [
      ['scale-seed verify', 'the fleet: 01 and 02'],
      ['scale-seed verify --max-age 1h', 'a stale fleet has drifted too'],
      ['scale-seed verify --set all --format markdown', 'for a job summary'],
    ],
    codes: ['drift'],
    async run(names, flags) {
      const report = await execute('verify', names, flags, (options) =>
        verify({ ...options, maxAgeMs: flags.maxAge }),
      );
      return conclude(report);
    },
  });
}
