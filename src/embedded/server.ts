import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findServer, type Connection } from './connection.js';
import { embeddedError } from './directory.js';
import type { Programs } from './programs.js';

/** Where a server is, and what opens and runs it. */
export interface Cluster {
  root: string;
  programs: Programs;
  password: string;
}

/**
 * Becomes the server, and leaves a watcher behind that reads from our process: a line lets the server go, the end, in whatever
 * way we have ended, stops it; by SIGTERM where it isn't ready for SIGINT yet. Not pg_ctl: it looks every 100 ms, which made a
 * start 64 ms slower (242 against 178 for `db start`), and it stops whatever process has the number in a stale postmaster.pid.
 */
const WATCHED = `exec 3<&0
(read -r _ <&3 || { kill -INT $$; kill -TERM $$; }) &
exec "$0" "$@" 3<&- </dev/null`;

/** Starts the server and connects to it; it ends with our process until it is let go. */
export async function startServer(
  { root, programs, password }: Cluster,
  settings: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Connection & { letGo: () => unknown }> {
  const all = { ...settings, listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const path = join(root, 'server.log');
  const log = await open(path, 'w', 0o600);
  // In a session of its own, where Ctrl-C on our terminal does not reach it.
  const options = { ...programs.as, detached: true, stdio: ['pipe', log.fd, log.fd] as const };
  const command = [WATCHED, join(programs.bin, 'postgres'), '-D', join(root, 'data'), ...args];
  const server = spawn('/bin/sh', ['-c', ...command], { ...options, stdio: [...options.stdio] });
  const pipe = server.stdin!;
  const letGo = (): unknown => pipe.on('error', () => undefined).end('\n');
  try {
    await once(server, 'spawn');
    server.once('exit', letGo);
    while (server.exitCode === null && server.signalCode === null) {
      const found = await findServer(root, password, signal);
      if (found && found.pid === server.pid) {
        for (const part of [server, pipe as unknown as typeof server]) part.unref();
        return { ...found, letGo };
      }
      await found?.client.end();
      await delay(10, undefined, { signal });
    }
    const tail = (await readFile(path, 'utf8')).trim().split('\n').slice(-6).join('\n  ');
    throw embeddedError(`the server does not start:\n  ${tail}`, `see ${path}`);
  } catch (error) {
    pipe.destroy();
    throw error;
  } finally {
    await log.close();
  }
}

/** Stops a server, which rolls back what runs in it. */
export async function stopServer(root: string, password: string, pid: number): Promise<void> {
  process.kill(pid, 'SIGINT');
  for (let running = true; running;) {
    const left = await findServer(root, password);
    await left?.client.end();
    running = left?.pid === pid;
  }
}

/** The port that is named, else the one that PostgreSQL's own record of its last start names, else any. */
export async function choosePort(root: string, named?: number, onNotice?: (message: string) => void) {
  const options = await readFile(join(root, 'data', 'postmaster.opts'), 'utf8').catch(() => '');
  const wanted = named ?? Number(/"port=(\d+)"/.exec(options)?.[1] ?? 0);
  const port = await freePort(wanted).catch(() => freePort());
  if (port === wanted || wanted === 0) return port;
  if (named) throw embeddedError(`port ${named} is taken`, 'name another --port, or none');
  onNotice?.(`port ${wanted} is taken: the embedded server uses ${port}`);
  return port;
}

/** A port on 127.0.0.1 that nobody has. */
export async function freePort(wanted = 0): Promise<number> {
  const probe = createServer().listen(wanted, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
