import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export const CLI = resolve('dist/cli.js');

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  /** Resolves when the text has appeared on standard error. */
  saw: (text: string | RegExp) => Promise<void>;
  kill: (signal: NodeJS.Signals) => void;
  outcome: Promise<Outcome>;
}

/** What a command line inherits: no variable that names a database. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(PG|DATABASE_URL|LOADTEST_|SCALE_SEED(?!_POSTGRES_DIR))/.test(name),
  );
  return Object.fromEntries(inherited);
}

/** Starts the built command line. */
export function start(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...ownEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
  return {
    outcome,
    kill: (signal) => child.kill(signal),
    saw: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (typeof text === 'string' ? stderr.includes(text) : text.test(stderr)) resolve();
        };
        child.stderr.on('data', look);
        child.on('close', () => {
          reject(new Error(`ended before it said ${String(text)}: ${stderr}`));
        });
        look();
      }),
  };
}

/** Runs the built command line to its end. */
export function run(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return start(args, env).outcome;
}
