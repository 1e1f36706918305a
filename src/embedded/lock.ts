import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from './processes.js';
import type { Files } from './files.js';

/** Held by the one process that may start, use and stop a server that does not outlive it. */
export interface Lock {
  /** Keeps the lock for as long as this process lives, too: the supervisor that still has to stop the server. */
  shareWith: (pid: number) => Promise<void>;
  release: () => Promise<void>;
}

/** Takes the directory's lock; waits for whoever has it, but not for the dead. */
export async function takeLock(
  files: Files,
  signal: AbortSignal | undefined,
  onNotice: (message: string) => void,
): Promise<Lock> {
  let announced = false;
  for (;;) {
    try {
      await writeFile(files.lock, `${process.pid}`, { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (!isHeld(await readFile(files.lock, 'utf8').catch(() => ''))) {
      await breakLock(files);
      continue;
    }
    if (!announced) onNotice(`waiting for another scale-seed that uses the embedded server in ${files.root}`);
    announced = true;
    await delay(100, undefined, signal === undefined ? {} : { signal });
  }
  return {
    shareWith: (pid) => writeFile(files.lock, `${process.pid} ${pid}`),
    release: () => rm(files.lock, { force: true }),
  };
}

/** Takes a dead holder's lock away; one that somebody else has taken in that very moment goes back to its place. */
async function breakLock({ lock }: Files): Promise<void> {
  const taken = `${lock}.${process.pid}`;
  try {
    await rename(lock, taken);
  } catch {
    return;
  }
  if (isHeld(await readFile(taken, 'utf8'))) await link(taken, lock).catch(() => undefined);
  await rm(taken);
}

/** Whether one of the processes that a lock names is alive; one that names none yet is being written. */
function isHeld(text: string): boolean {
  const holders = text.split(' ').map(Number);
  return holders[0] === 0 || holders.some(isAlive);
}
