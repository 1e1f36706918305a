import { spawn, spawnSync } from 'node:child_process';

/** Runs a program to its end; rejects with what it printed if it fails. */
export function runProcess(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let printed = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (printed += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} exited with ${code ?? 'a signal'}: ${printed}`));
    });
  });
}

/** Why a program cannot be run here; undefined where it can. */
export function notInstalled(program: string): string | undefined {
  return spawnSync(program, ['--version']).status === 0 ? undefined : `${program} is not installed`;
}

/** Runs a script by psql. */
export function runPsql(url: string, script: string): Promise<void> {
  const { shown, env } = withoutPassword(url);
  return runProcess('psql', [shown, '-qv', 'ON_ERROR_STOP=1', '-f', script], env);
}

/** A URL for a command line, which everybody can read, and the environment that holds its password. */
export function withoutPassword(url: string): { shown: string; env: Readonly<Record<string, string>> } {
  const shown = new URL(url);
  const password = decodeURIComponent(shown.password);
  shown.password = '';
  return { shown: shown.href, env: password === '' ? {} : { PGPASSWORD: password } };
}
