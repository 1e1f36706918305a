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

/** Runs a script by psql; the password goes by the environment, since everybody can read a command line. */
export function runPsql(url: string, script: string): Promise<void> {
  const shown = new URL(url);
  const password = decodeURIComponent(shown.password);
  shown.password = '';
  const args = [shown.href, '-qv', 'ON_ERROR_STOP=1', '-f', script];
  return runProcess('psql', args, password === '' ? {} : { PGPASSWORD: password });
}
