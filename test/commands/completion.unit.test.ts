import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { run } from '../support/command-line.js';

describe('scale-seed completion', () => {
  it.each(['bash', 'zsh', 'fish', 'powershell'])('prints a script for %s', async (shell) => {
    const { code, stdout, stderr } = await run(['completion', shell]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('scale-seed');
  });

  it('prints what bash takes', async () => {
    const { stdout } = await run(['completion', 'bash']);
    await promisify(execFile)('bash', ['-n', '-c', stdout]);
  });

  it('refuses a shell that it does not know', async () => {
    const { code, stderr } = await run(['completion', 'tcsh']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/zsh, bash, fish/);
  });

  it.each([
    [['l'], ['load', 'list']],
    [
      ['db', 'st'],
      ['start', 'stop', 'status'],
    ],
    [['load', '--mo'], ['--mode']],
    [
      ['load', '--mode', ''],
      ['online', 'exclusive'],
    ],
    [['verify', '--form'], ['--format']],
    [['ci', '--budget-'], ['--budget-ratio']],
  ])('is asked for %j', async (typed, expected) => {
    const { stdout } = await run(['complete', '--', ...typed]);
    const offered = stdout.split('\n').flatMap((line) => /^[\w-]+/.exec(line)?.[0] ?? []);
    expect(offered).toEqual(expected);
  });
});
