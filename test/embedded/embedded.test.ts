import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { destroyEmbedded, embeddedStatus, startEmbedded, stopEmbedded } from '../../src/embedded/index.js';
import type { EmbeddedOptions } from '../../src/embedded/options.js';
import { load } from '../../src/operations/load.js';
import { run } from '../support/command-line.js';

const settings = { fsync: 'off' };
const hasPsql = spawnSync('psql', ['--version']).status === 0;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-embedded-'));
  // The account that runs root's server has to pass through.
  spawnSync('chmod', ['711', folder]);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const optionsFor = (
  name: string,
  more: Omit<EmbeddedOptions, 'dataDirectory'> = {},
): EmbeddedOptions & { dataDirectory: string } => ({
  dataDirectory: join(folder, name),
  settings,
  ...more,
});

async function untilGone(pid: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await delay(20);
  }
  throw new Error(`process ${pid} is still there`);
}

describe('a supervised server', () => {
  it('has the tables of a fleet and the parents’ rows, and lets only its owner in', async () => {
    const server = await startEmbedded(optionsFor('own'));
    try {
      expect(server.startedHere).toBe(true);
      expect(server.url).not.toContain(server.password);
      const report = await load({ databaseUrl: server.url });
      expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([10_000, 5_000]);
      expect(report.server.version).toBe(server.version);

      const modeOf = async (name: string): Promise<number> =>
        (await stat(join(folder, 'own', name))).mode & 0o777;
      expect(await modeOf('data/passfile')).toBe(0o600);
      expect(await modeOf('data')).toBe(0o700);

      const client = new pg.Client({ connectionString: server.url.replace('@', `:${server.password}@`) });
      await client.connect();
      const { rows: indexes } = await client.query(
        `select tablename, count(*)::int as count from pg_indexes where tablename in ('managed_certificates', 'agents') group by 1 order by 1`,
      );
      const { rows: set } = await client.query(
        `select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets, current_setting('password_encryption') as passwords`,
      );
      await client.end();
      expect(indexes).toEqual([
        { tablename: 'agents', count: 9 },
        { tablename: 'managed_certificates', count: 9 },
      ]);
      expect(set).toEqual([{ addresses: '127.0.0.1', sockets: '', passwords: 'scram-sha-256' }]);

      const intruder = new pg.Client({ connectionString: server.url.replace('@', ':guess@') });
      await expect(intruder.connect()).rejects.toThrow('password authentication failed');
      if (hasPsql) {
        const psql = spawnSync('psql', [server.url, '-Atc', 'select count(*) from agents'], {
          encoding: 'utf8',
        });
        expect(psql.stdout).toBe('5000\n');
      }
    } finally {
      await server.stop();
    }
    expect(await embeddedStatus(optionsFor('own'))).toMatchObject({ initialised: true, running: false });
  });

  it('keeps its rows and its port', async () => {
    const first = await startEmbedded(optionsFor('own'));
    await first.stop();
    const second = await startEmbedded(optionsFor('own'));
    const report = await load({ databaseUrl: second.url });
    await second.stop();
    expect(second.port).toBe(first.port);
    expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([0, 0]);
  });

  it('takes another port where its own is taken; one that is named it cannot replace', async () => {
    const first = await startEmbedded(optionsFor('own'));
    await first.stop();
    const { port } = first;
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    await expect(startEmbedded(optionsFor('own', { port }))).rejects.toMatchObject({
      code: 'embedded',
      message: `embedded PostgreSQL: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
      hint: expect.stringContaining('--port') as string,
    });
    const server = await startEmbedded(optionsFor('own'));
    await server.stop();
    squatter.close();
    expect(server.port).not.toBe(port);
  });

  it('is for its process alone: another is told whose it is, and what is there for all', async () => {
    const first = await startEmbedded(optionsFor('own'));
    for (const keepRunning of [false, true])
      await expect(startEmbedded(optionsFor('own', { keepRunning }))).rejects.toMatchObject({
        code: 'embedded',
        message: `embedded PostgreSQL: process ${process.pid} runs the embedded server, which stops when that process ends`,
        hint: expect.stringContaining('start one for all commands: `scale-seed db start`') as string,
      });
    await load({ databaseUrl: first.url });
    await first.stop();
    await first.stop();
    expect((await embeddedStatus(optionsFor('own'))).running).toBe(false);
  });

  it('that is kept is shared, until it is stopped', async () => {
    const kept = optionsFor('own', { keepRunning: true });
    const [one, two] = [await startEmbedded(kept), await startEmbedded(optionsFor('own'))];
    expect([one.startedHere, two.startedHere, two.port]).toEqual([true, false, one.port]);
    await two.stop();
    await one.stop();
    expect(await embeddedStatus(kept)).toMatchObject({ running: true, owner: 0 });
    expect(await stopEmbedded(kept)).toBe(true);
    expect(await stopEmbedded(kept)).toBe(false);
  });

  it('that cannot be filled is left to nobody', async () => {
    const dataDirectory = join(folder, 'unfilled');
    const readOnly = { ...settings, default_transaction_read_only: 'on' };
    for (const keepRunning of [false, true])
      await expect(startEmbedded({ dataDirectory, settings: readOnly, keepRunning })).rejects.toThrow(
        'read-only',
      );
    expect(await embeddedStatus({ dataDirectory })).toMatchObject({ initialised: true, running: false });
  });

  it('dies with its owner, even one that is killed', async () => {
    const script = `
      const { startEmbedded } = await import(${JSON.stringify(pathToFileURL(join(process.cwd(), 'dist/index.js')).href)});
      const server = await startEmbedded({ dataDirectory: ${JSON.stringify(join(folder, 'own'))} });
      console.log('up');
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => owner.stdout.once('data', resolve));
    const { pid } = await embeddedStatus(optionsFor('own'));
    owner.kill('SIGKILL');
    await untilGone(pid ?? 0);
    const server = await startEmbedded(optionsFor('own'));
    await server.stop();
  });
});

describe('a server of its own', () => {
  it('is driven by the db commands', async () => {
    const env = { SCALE_SEED_DATA_DIR: join(folder, 'detached') };
    const started = await run(['db', 'start'], env);
    expect(started).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^scale-seed: PostgreSQL \S+ started\n$/) as string,
    });
    const url = started.stdout.trim();
    expect((await run(['db', 'url'], env)).stdout.trim()).toBe(url);
    expect((await run(['db', 'start'], env)).stderr).toContain('was running already');
    expect((await run(['load', '02_agent_fleet', '--embedded', '--format', 'json'], env)).code).toBe(0);
    expect((await run(['verify', '02_agent_fleet', '--database-url', url], env)).code).toBe(0);
    expect((await run(['db', 'status'], env)).stdout).toBe(`running at ${url}\n`);
    expect((await run(['db', 'stop'], env)).stderr).toBe('scale-seed: stopped\n');
    expect((await run(['db', 'url'], env)).code).toBe(1);
    expect((await run(['db', 'destroy'], env)).code).toBe(2);
    expect((await run(['db', 'destroy', '--yes'], env)).code).toBe(0);
    expect(existsSync(join(folder, 'detached'))).toBe(false);
  });
});

describe('a directory', () => {
  it('that is not ours is left alone', async () => {
    const foreign = join(folder, 'foreign');
    await mkdir(foreign);
    await writeFile(join(foreign, 'thesis.txt'), 'years of work');
    for (const act of [startEmbedded, destroyEmbedded, embeddedStatus]) {
      await expect(act({ dataDirectory: foreign })).rejects.toMatchObject({
        code: 'embedded',
        message: expect.stringContaining(`${foreign} is not a directory of scale-seed's`) as string,
      });
    }
    expect(await readFile(join(foreign, 'thesis.txt'), 'utf8')).toBe('years of work');
  });

  it('of another major version is refused, as PostgreSQL says it', async () => {
    const file = join(folder, 'own', 'data', 'PG_VERSION');
    const major = await readFile(file, 'utf8');
    await writeFile(file, '9\n');
    await expect(startEmbedded(optionsFor('own'))).rejects.toThrow(/initialized by PostgreSQL version 9/);
    await writeFile(file, major);
  });

  it.each([
    ['no home', { HOME: '' }],
    ['a home that is relative', { HOME: 'here' }],
    ['a data home that is relative', { XDG_DATA_HOME: 'here' }],
  ])('is nowhere in the current one with %s', async (_, env) => {
    const { stdout, stderr } = await run(['db', 'status', '--format', 'json'], env);
    const found = stdout === '' ? undefined : (JSON.parse(stdout) as { dataDirectory: string });
    // Whoever has no home at all is told so.
    if (found === undefined) expect(stderr).toContain('no home directory');
    else expect(found.dataDirectory.startsWith('/') && !found.dataDirectory.includes('here')).toBe(true);
  });

  it('of two lines, which PostgreSQL would mistake for one, is refused', async () => {
    await expect(startEmbedded(optionsFor('two\nlines'))).rejects.toMatchObject({ code: 'configuration' });
    expect(await readdir(folder)).not.toContain('two\nlines');
  });

  it('that has lost its password file is told so', async () => {
    const root = join(folder, 'forgetful');
    await mkdir(join(root, 'data'), { recursive: true });
    for (const act of [startEmbedded, stopEmbedded, embeddedStatus, destroyEmbedded])
      await expect(act({ dataDirectory: root })).rejects.toThrow('it has no data/passfile');
    expect(await readdir(root)).toEqual(['data']);
  });

  it('that a link leads to is emptied', async () => {
    await symlink(join(folder, 'linked'), join(folder, 'away'));
    await mkdir(join(folder, 'linked'));
    await (await startEmbedded(optionsFor('away'))).stop();
    expect(await destroyEmbedded(optionsFor('away'))).toBe(true);
    expect(await readdir(join(folder, 'linked'))).toEqual([]);
    await (await startEmbedded(optionsFor('away'))).stop();
  });

  it('whose data are elsewhere is removed there', async () => {
    const [root, elsewhere] = [join(folder, 'shell'), join(folder, 'elsewhere')];
    await (await startEmbedded(optionsFor('shell'))).stop();
    await rename(join(root, 'data'), elsewhere);
    await symlink(elsewhere, join(root, 'data'));
    expect(await destroyEmbedded(optionsFor('shell'))).toBe(true);
    expect([existsSync(elsewhere), existsSync(root)]).toEqual([false, false]);
  });

  it.each([
    'data.csv',
    'data.d',
    'data.backup',
    'data.abc123',
    'postgresql-dump.sql',
    'scale-seed-unfinished',
  ])('is none that has a file %s of the user’s', async (name) => {
    const root = join(folder, `of ${name}`);
    await mkdir(join(root, name), { recursive: true });
    for (const act of [startEmbedded, stopEmbedded, embeddedStatus, destroyEmbedded])
      await expect(act({ dataDirectory: root })).rejects.toThrow(
        `${root} is not a directory of scale-seed's`,
      );
    expect(await readdir(root)).toEqual([name]);
  });

  it('that a killed start has left unfinished is cleared by the next, and by destroy; what the user has put beside it is not', async () => {
    const root = join(folder, 'unfinished');
    await mkdir(join(root, 'scale-seed-unfinished.a1B2c3', 'data'), { recursive: true });
    expect(await destroyEmbedded(optionsFor('unfinished'))).toBe(true);
    expect(existsSync(root)).toBe(false);
    await (await startEmbedded(optionsFor('unfinished'))).stop();
    for (const name of ['scale-seed-unfinished.a1B2c3', 'data.backup']) await mkdir(join(root, name));
    await (await startEmbedded(optionsFor('unfinished'))).stop();
    // A copy of the programs is made only where the account cannot run them in their place.
    const names = (await readdir(root)).filter((name) => !/^postgresql-\d+-\d+$/.test(name));
    expect(names.sort()).toEqual(['data', 'data.backup', 'server.log']);
  });

  it('may be reached by a link', async () => {
    await symlink(join(folder, 'own'), join(folder, 'link'));
    const { url, stop } = await startEmbedded(optionsFor('link'));
    expect(await embeddedStatus(optionsFor('own'))).toMatchObject({ running: true });
    expect(await load({ databaseUrl: url })).toMatchObject({ command: 'load' });
    await stop();
  });
});

describe('options that are none', () => {
  it.each<[string, unknown]>([
    ['a text', '/tmp'],
    ['null', null],
    ['a slip of the name', { dataDir: '/tmp' }],
    ['a port that is none', { port: -1 }],
    ['a port by another type', { port: '5432' }],
    ['a signal that is none', { signal: 5 }],
    ['settings that are none', { settings: 'fsync=off' }],
    ['a setting that moves the data', { settings: { data_directory: '/tmp' } }],
    ['one in another spelling', { settings: { 'Data-Directory': '/tmp' } }],
    ['one by which the server is found', { settings: { listen_addresses: '*' } }],
  ])('are refused, and no other server is touched: %s', async (_, options) => {
    for (const call of [startEmbedded, stopEmbedded, embeddedStatus, destroyEmbedded])
      await expect(call(options as EmbeddedOptions)).rejects.toMatchObject({ code: 'usage' });
  });

  it('an abort is an error of ours', async () => {
    const signal = AbortSignal.abort();
    await expect(startEmbedded(optionsFor('aborted', { signal }))).rejects.toMatchObject({
      name: 'ScaleSeedError',
      code: 'interrupted',
    });
  });
});
