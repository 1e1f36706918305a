import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { serverAccount } from '../../src/embedded/programs.js';
import { freePort } from '../../src/embedded/server.js';

export const hasPgbouncer = spawnSync('pgbouncer', ['--version']).status === 0;

export interface Pooler {
  port: number;
  /** A database's URL with the pooler in place of the server. */
  through: (databaseUrl: string) => string;
  stop: () => Promise<void>;
}

/**
 * Starts a PgBouncer in transaction mode, with at most `poolSize` connections for a database and role. It knows the server's
 * superuser, and asks the server for all others.
 */
export async function startPooler(serverUrl: string, poolSize: number, settings = ''): Promise<Pooler> {
  const { hostname, port: serverPort, username, password } = new URL(serverUrl);
  const folder = await mkdtemp(join(tmpdir(), 'scale-seed-pgbouncer-'));
  const [logins, config] = [join(folder, 'logins'), join(folder, 'pgbouncer.ini')];
  const port = await freePort(0);
  await writeFile(logins, `"${username}" "${password}"\n`, { mode: 0o600 });
  await writeFile(
    config,
    `[databases]
* = host=${hostname} port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_user = ${username}
auth_file = ${logins}
pool_mode = transaction
default_pool_size = ${poolSize}
server_login_retry = 1
${settings}
`,
  );
  // PgBouncer does not run as root either.
  const account = await serverAccount();
  await chmod(folder, 0o711);
  if (account.uid !== undefined && account.gid !== undefined) await chown(logins, account.uid, account.gid);
  const pooler = spawn('pgbouncer', ['-q', config], { ...account, cwd: '/', stdio: 'ignore' });
  // However this process ends, it does not outlive it.
  const kill = (): unknown => pooler.kill('SIGKILL');
  process.once('exit', kill);
  await untilListening(port);
  return {
    port,
    through: (databaseUrl) => {
      const url = new URL(databaseUrl);
      url.port = String(port);
      return url.href;
    },
    stop: async () => {
      process.off('exit', kill);
      pooler.kill('SIGTERM');
      await once(pooler, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves as soon as somebody listens. */
async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const listening = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (listening) return;
    if (performance.now() > deadline) throw new Error('PgBouncer does not start');
    await delay(20);
  }
}
