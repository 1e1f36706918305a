import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { vi } from 'vitest';
import { CLI, ownEnvironment, type Outcome } from './command-line.js';

type Write = typeof process.stdout.write;

/** What cli.js runs, once it has seen to its title and its compiled code. */
async function builtProgram(): Promise<{ runProgram: () => Promise<void> }> {
  const folder = dirname(CLI);
  const [file = ''] = (await readdir(folder)).filter((name) => /^cli-program-\w+\.js$/.test(name));
  return (await import(pathToFileURL(join(folder, file)).href)) as { runProgram: () => Promise<void> };
}

/**
 * Runs the built command line in the test's own process, for cases in which nothing hangs on a process of its own: starting
 * one takes a third of a second of the processor's time. One at a time, and without a fixture file of the user's own,
 * which ends the process.
 */
export async function runInProcess(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const { argv, env: inherited, exitCode, stdout, stderr } = process;
  const { runProgram } = await builtProgram();
  const printed = { stdout: '', stderr: '' };
  const collect = (name: keyof typeof printed): Write => {
    const write = (bytes: Uint8Array | string, ...more: unknown[]): boolean => {
      printed[name] += typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString();
      const done = more.at(-1);
      if (typeof done === 'function') process.nextTick(done);
      return true;
    };
    return write;
  };
  const spies = [
    vi.spyOn(stdout, 'write').mockImplementation(collect('stdout')),
    vi.spyOn(stderr, 'write').mockImplementation(collect('stderr')),
  ];
  const listeners = [stdout, stderr].map((stream) => ({ stream, before: stream.listeners('error') }));
  process.argv = [argv[0]!, 'scale-seed', ...args];
  process.env = { ...ownEnvironment(), ...env };
  try {
    await runProgram();
    return { code: Number(process.exitCode), ...printed };
  } finally {
    Object.assign(process, { argv, env: inherited, exitCode });
    for (const spy of spies) spy.mockRestore();
    for (const { stream, before } of listeners)
      for (const listener of stream.listeners('error'))
        if (!before.includes(listener)) stream.off('error', listener as () => void);
  }
}
