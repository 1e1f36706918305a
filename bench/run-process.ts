import { spawn, spawnSync } from 'node:child_process';

/** Runs a program to its end; rejects with what it printed if it fails. */
export function runProcess(program: string, args: readonly string[], input?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    let printed = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (printed += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} exited with ${code ?? 'a signal'}: ${printed}`));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
}

/** Why a program cannot be run here; undefined where it can. */
export function notInstalled(program: string): string | undefined {
  return spawnSync(program, ['--version']).status === 0 ? undefined : `${program} is not installed`;
}
