import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, realpath } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findServer, sendSignal } from './connection.js';
import { embeddedError } from './directory.js';
import { clear, findPrograms } from './programs.js';

// Becomes the server, and leaves a watcher behind that reads from our process: a line lets the server go; the end, in
// whatever way we have ended, stops it, by SIGTERM where it isn't ready for SIGINT yet.
const WATCHED = `exec 3<&0
(read -r _ <&3 || { kill -INT $$; kill -TERM $$; } 2>&-) &
exec "$0" "$@" 3<&- </dev/null`;

/** PostgreSQL's own; the port may be 0, for any. */
type Settings = Readonly<{ port: number; [name: string]: string | number }>;

/** Joins the server where it is kept running, else starts one, which ends with its lifeline until a line lets it go. */
export async function useServer(root: string, settings: Settings, signal?: AbortSignal) {
  const log = join(root, 'server.log');
  let own: Awaited<ReturnType<typeof spawnServer>> | undefined;
  try {
    for (let startsLeft = 3; ;) {
      // Node destroys it when the process has ended.
      const hasEnded = own?.lifeline.destroyed;
      const server = await findServer(root, signal);
      if (server && server.pid === own?.pid) return { server, lifeline: own.lifeline };
      if (server?.owner === 0) {
        if (settings.port === 0 || settings.port === server.port) return { server };
        const hint = '`scale-seed db stop` stops it';
        throw embeddedError(`it runs at port ${server.port}`, hint, undefined, 'configuration');
      }
      if (server && sendSignal(server.owner, 0)) {
        const whose = `process ${server.owner} runs the embedded server, which stops when that process ends`;
        throw embeddedError(whose, 'wait for that, or start one for all commands: `scale-seed db start`');
      }
      // Its command was killed.
      if (server) sendSignal(server.pid, 'SIGINT');
      // Another command may have been quicker, and have gone since.
      else if (hasEnded && startsLeft === 0) {
        const tail = (await readFile(log, 'utf8')).trim().split('\n').slice(-6).join('; ');
        throw embeddedError(`the server does not start: ${tail}`, `see ${log}`);
      } else if (hasEnded !== false) {
        startsLeft -= 1;
        own = await spawnServer(root, settings, log);
      }
      await delay(10, undefined, { signal });
    }
  } catch (error) {
    own?.lifeline.destroy();
    throw error;
  }
}

async function spawnServer(root: string, settings: Settings, path: string) {
  const { bin, as } = await findPrograms(root);
  await clear(root, bin);
  const port = await choosePort(root, settings.port);
  const all = { ...settings, port, listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const command = ['-c', WATCHED, join(bin, 'postgres'), '-D', await realpath(join(root, 'data')), ...args];
  const log = await open(path, 'w', 0o600);
  // In a session of its own, where Ctrl-C on our terminal does not reach it.
  const server = spawn('/bin/sh', command, { ...as, detached: true, stdio: ['pipe', log.fd, log.fd] });
  const lifeline = server.stdin as Socket;
  lifeline.on('error', () => undefined).unref();
  server.unref();
  await once(server, 'spawn').finally(() => log.close());
  return { pid: server.pid, lifeline };
}

/** The port that is named, else that of the last start, as PostgreSQL has recorded it, else any that is free. */
async function choosePort(root: string, named: number): Promise<number> {
  if (named > 0) return freePort(named);
  const record = await readFile(join(root, 'data', 'postmaster.opts'), 'utf8').catch(() => '');
  return freePort(Number(/"port=(\d+)"/.exec(record)?.[1] ?? 0)).catch(() => freePort());
}

/** A port on 127.0.0.1 that nobody has. */
export async function freePort(wanted = 0): Promise<number> {
  const probe = createServer().listen(wanted, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
