import { defineCommand } from './define-command.js';
import { parseDuration } from './parse.js';
import { OPERATION, type OperationFlags } from './shared-options.js';

export const registerVerify = defineCommand<OperationFlags & { live?: true; maxAge?: number }>('verify', {
  description: 'hold the rows against a fresh load: what drifted, and what hangs on them',
  ...OPERATION,
  options: [
    ['--live', 'a stack runs: what it writes, and what hangs on the fleet, is reported and is no drift'],
    [
      '--max-age <duration>',
      'a fleet whose times are older than this counts as drifted (default: only when every row that should expire has expired)',
      parseDuration,
    ],
  ],
  examples: [
    ['scale-seed verify', 'the fleet: 01 and 02'],
    ['scale-seed verify --live', 'while certctl-server runs'],
    ['scale-seed verify --max-age 1h', 'a stale fleet has drifted too'],
    ['scale-seed verify --set all --format markdown', 'for a job summary'],
  ],
  codes: ['drift'],
  async run(names, flags) {
    const { execute, verify } = await import('./on-database.js');
    return execute('verify', names, flags, (options) =>
      verify({ ...options, live: flags.live, maxAgeMs: flags.maxAge }),
    );
  },
});
