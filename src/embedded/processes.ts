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

/** The server of a data directory as its pid file tells it, if that process lives and is this directory's. */
export async function findPostmaster(files: Files): Promise<{ pid: number; port: number } | undefined> {
  const lines = (await readFile(join(files.data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  return isAlive(pid) && (await servesFrom(pid, files.data)) ? { pid, port } : undefined;
}

/** A pid file that outlived its server may name a process that came to the same number since, even another PostgreSQL. */
async function servesFrom(pid: number, data: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-p', String(pid), '-o', 'args=']).catch(() => ({
    stdout: data,
  }));
  return stdout.includes(data);
}

/**
 * What a process of the server's gets to see of our environment. It may run under another account, and anybody who is
 * a superuser in the database can read it: not the place for our passwords and tokens.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const wanted = /^(PATH|TZ|TZDIR|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|TMPDIR|TEMP|TMP|SYSTEMROOT|PATHEXT)$/i;
  const kept = Object.entries(process.env).filter(([name]) => wanted.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
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
