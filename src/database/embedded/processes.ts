import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Files } from './files.js';

const POLL_MS = 20;

/** Whether a process lives; one that we may not signal does. */
export function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** The server of a data directory as its pid file tells it, if that process lives and is a PostgreSQL. */
export async function findPostmaster(files: Files): Promise<{ pid: number; port: number } | undefined> {
  const lines = (await readFile(join(files.data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  return isAlive(pid) && (await isPostgres(pid)) ? { pid, port } : undefined;
}

/** A pid file that outlived its server may name a process that came to the same number since. */
async function isPostgres(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'args=']).catch(() => ({
    stdout: 'postgres',
  }));
  return stdout.includes('postgres');
}

/** Waits until a process has gone; false if it has not within the time. */
export async function waitForExit(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** The port that is wanted if nobody has it, else one that the system gives. */
export async function freePort(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(undefined);
    });
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === 'object' ? address?.port : undefined);
      });
    });
  });
}
