import { EXIT } from './exit-codes.js';

/**
 * The harness's opt-in: where LOADTEST_SCALE_SEED is set and not true, nothing is to be loaded. Says so, and sets the
 * exit code.
 */
export function skipWhenOptedOut(env: NodeJS.ProcessEnv): boolean {
  const optIn = env.LOADTEST_SCALE_SEED;
  if (optIn === undefined || optIn.toLowerCase() === 'true') return false;
  process.stderr.write('LOADTEST_SCALE_SEED is not true: nothing was loaded\n');
  process.exitCode = EXIT.done;
  return true;
}
