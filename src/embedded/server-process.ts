import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Account } from './account.js';
import { embeddedError } from './error.js';
import { insistOnScram } from '../postgres/insist-on-scram.js';
import { USER, writePrivate, type Files } from './files.js';
import { serverEnvironment, waitForExit } from './processes.js';

/** How to start a server. */
export interface Launch {
  files: Files;
  postgres: string;
  account: Account;
  port: number;
  password: string;
  settings: Readonly<Record<string, string>>;
}

const START_MS = 30_000;
const STOP_MS = 60_000;
const POLL_MS = 25;

/**
 * Runs the server and waits at the other end of a pipe for its owner: when that end closes, however the owner went,
 * it stops the server. It stands in a process group of its own, where Ctrl-C on the owner's terminal does not reach.
 */
const SUPERVISOR = `
const { spawn } = require('node:child_process');
const { openSync } = require('node:fs');
const { command, args, options, log } = JSON.parse(process.argv[1]);
const output = openSync(log, 'a');
const server = spawn(command, args, { ...options, stdio: ['ignore', output, output] });
const stop = () => {
  server.kill('SIGINT');
  setTimeout(() => server.kill('SIGQUIT'), 20000).unref();
};
server.on('error', () => process.exit(1));
server.on('exit', (code) => process.exit(code ?? 1));
process.stdin.on('close', stop).on('error', stop).resume();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
`;

/** Starts a server that stops when this process ends, in whatever way; returns the process to wait for. */
export async function startSupervised(launch: Launch): Promise<{ pid: number; stop: () => Promise<void> }> {
  await writePrivate(launch.files.log, '');
  const order = {
    command: launch.postgres,
    args: argumentsOf(launch),
    options: { ...launch.account, cwd: '/' },
    log: launch.files.log,
  };
  const supervisor = spawn(process.execPath, ['-e', SUPERVISOR, JSON.stringify(order)], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    env: serverEnvironment(),
  });
  await ready(launch, supervisor);
  supervisor.unref();
  (supervisor.stdin as unknown as { unref: () => void }).unref();
  return {
    pid: supervisor.pid ?? 0,
    stop: async () => {
      supervisor.stdin.destroy();
      if (!(await waitForExit(supervisor.pid ?? 0, STOP_MS))) throw wontStop(launch.files);
    },
  };
}

/** Starts a server that outlives this process. */
export async function startDetached(launch: Launch): Promise<void> {
  await writePrivate(launch.files.log, '');
  const log = await open(launch.files.log, 'a');
  try {
    const server = spawn(launch.postgres, argumentsOf(launch), {
      ...launch.account,
      detached: true,
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd],
      env: serverEnvironment(),
    });
    await ready(launch, server);
    server.unref();
  } finally {
    await log.close();
  }
}

/** Stops a server that outlived its starter: fast shutdown, which rolls back what runs. */
export async function stopPostmaster(files: Files, pid: number): Promise<void> {
  process.kill(pid, 'SIGINT');
  if (!(await waitForExit(pid, STOP_MS))) throw wontStop(files);
}

/** Connects as the server's own role. */
export async function connectTo(port: number, password: string, database = 'postgres'): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: USER,
    password,
    database,
    ssl: false,
    application_name: 'scale-seed embedded',
    connectionTimeoutMillis: 5000,
  });
  client.on('error', () => undefined);
  insistOnScram(client);
  await client.connect();
  return client;
}

async function ready({ files, port, password }: Launch, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_MS;
  const failure = new AbortController();
  for (const event of ['exit', 'error']) {
    child.once(event, () => {
      failure.abort();
    });
  }
  for (;;) {
    try {
      await (await connectTo(port, password)).end();
      return;
    } catch (error) {
      if (failure.signal.aborted || performance.now() > deadline) {
        child.stdin?.destroy();
        const log = (await readFile(files.log, 'utf8').catch(() => ''))
          .trim()
          .split('\n')
          .slice(-5)
          .join('\n  ');
        throw embeddedError(`the server does not start:\n  ${log}`, `see ${files.log}`, error);
      }
    }
    await delay(POLL_MS);
  }
}

function argumentsOf({ files, port, settings }: Launch): string[] {
  const all = { ...settings, port: String(port), listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  return ['-D', files.data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

function wontStop({ log }: Files): Error {
  return embeddedError('the server does not stop', `see ${log}; its process may be stopped by hand`);
}
