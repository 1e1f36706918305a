import { spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  destroyEmbedded,
  embeddedStatus,
  startEmbedded,
  stopEmbedded,
  type EmbeddedServer,
} from '../../src/embedded/index.js';
import { load } from '../../src/operations/load.js';

const isRoot = process.getuid?.() === 0;
const settings = { fsync: 'off' };
const ALL_ACTS = [startEmbedded, stopEmbedded, embeddedStatus, destroyEmbedded];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-security-'));
  // The account that runs root's server has to pass through.
  await chmod(folder, 0o711);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;

describe('a directory', () => {
  it.skipIf(!isRoot)('of another user is refused, whatever is in it', async () => {
    const empty = join(folder, 'empty');
    const full = join(folder, 'full');
    for (const directory of [empty, full]) {
      await mkdir(directory);
      await chown(directory, 65_534, 65_534);
    }
    await mkdir(join(full, 'data'));
    await writeFile(join(full, 'data', 'passfile'), '127.0.0.1:*:*:scale_seed:known-to-others\n');
    for (const dataDirectory of [empty, full])
      for (const act of ALL_ACTS)
        await expect(act({ dataDirectory })).rejects.toMatchObject({
          code: 'embedded',
          message: `embedded PostgreSQL: ${dataDirectory} belongs to another user`,
        });
    expect(await readdir(empty)).toEqual([]);
  });

  it.skipIf(!isRoot)('behind a link of another user’s is refused', async () => {
    const [own, link] = [join(folder, 'behind'), join(folder, 'link')];
    await mkdir(own);
    await symlink(own, link);
    spawnSync('chown', ['-h', '65534', link]);
    await expect(startEmbedded({ dataDirectory: link })).rejects.toMatchObject({
      message: `embedded PostgreSQL: ${link} belongs to another user`,
    });
  });

  it('that others may write to is refused', async () => {
    const open = join(folder, 'open');
    await mkdir(open);
    await mkdir(join(open, 'data'));
    await writeFile(join(open, 'data', 'passfile'), '127.0.0.1:*:*:scale_seed:pw\n', { mode: 0o600 });
    await chmod(open, 0o777);
    for (const act of ALL_ACTS)
      await expect(act({ dataDirectory: open })).rejects.toMatchObject({
        code: 'embedded',
        message: `embedded PostgreSQL: others may write to ${open}`,
        hint: expect.stringContaining(`chmod go-w ${open}`) as string,
      });
  });

  it.each(['/dev/null/here', '/proc/here', '/proc/here/and/there'])(
    'that cannot be made is one clear error: %s',
    async (dataDirectory) => {
      await expect(startEmbedded({ dataDirectory })).rejects.toMatchObject({
        code: 'embedded',
        message: expect.stringMatching(/mkdir '\/(dev\/null|proc)/) as string,
      });
    },
  );
});

describe('a server', () => {
  let server: EmbeddedServer;
  let root: string;

  beforeAll(async () => {
    root = join(folder, 'server');
    await mkdir(root);
    await chmod(root, 0o777);
    process.env.SECRET_OF_OURS = 'not-for-the-server';
    server = await startEmbedded({ dataDirectory: root, settings });
    delete process.env.SECRET_OF_OURS;
  });

  afterAll(async () => {
    await server.stop();
  });

  async function query(sql: string): Promise<object[]> {
    const client = new pg.Client({ connectionString: server.url.replace('@', `:${server.password}@`) });
    await client.connect();
    const { rows } = await client.query<object>(sql);
    await client.end();
    return rows;
  }

  it('closes an empty directory that was open to others, and all of its files', async () => {
    expect(await modeOf(root)).toBe(isRoot ? 0o711 : 0o700);
    for (const name of await readdir(root))
      if (!name.startsWith('postgresql-'))
        expect([name, await modeOf(join(root, name))]).toEqual([name, name === 'data' ? 0o700 : 0o600]);
  });

  it('lets nobody in but by scram-sha-256', async () => {
    expect(await query('select distinct auth_method from pg_hba_file_rules')).toEqual([
      { auth_method: 'scram-sha-256' },
    ]);
  });

  it('lets nobody in from another machine', async ({ skip }) => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal);
    skip(outside === undefined, 'this machine has no address but the loopback');
    const client = new pg.Client({ host: outside!.address, port: server.port, user: 'scale_seed' });
    await expect(client.connect()).rejects.toThrow('ECONNREFUSED');
  });

  it.skipIf(process.platform !== 'linux')(
    'gets no secret on a command line or in an environment',
    async () => {
      const { pid = 0 } = await embeddedStatus({ dataDirectory: root });
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
      for (const process of [pid, ...children.trim().split(' ')]) {
        const read = (name: string) => readFile(`/proc/${process}/${name}`, 'utf8').catch(() => '');
        const seen = (await read('cmdline')) + (await read('environ'));
        // A child may have ended since.
        if (seen === '') continue;
        expect(seen).toContain('postgres');
        expect(seen).not.toContain(server.password);
        expect(seen).not.toContain('not-for-the-server');
      }
    },
  );

  it('is not taken for another that came to the number of its process', async () => {
    const { pid } = await embeddedStatus({ dataDirectory: root });
    const other = join(folder, 'other');
    await mkdir(join(other, 'data'), { recursive: true });
    await writeFile(join(other, 'data', 'passfile'), '127.0.0.1:*:*:scale_seed:pw\n', { mode: 0o600 });
    await writeFile(
      join(other, 'data', 'postmaster.pid'),
      `${pid ?? 0}\n${other}\n1\n${server.port}\n\n127.0.0.1\n`,
    );
    expect(await embeddedStatus({ dataDirectory: other })).toMatchObject({ running: false });
    expect(await stopEmbedded({ dataDirectory: other })).toBe(false);
    expect(await query('select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('two first starts at once', () => {
  it('agree on the password', async () => {
    const dataDirectory = join(folder, 'twice');
    const start = (): Promise<EmbeddedServer> =>
      startEmbedded({ dataDirectory, settings, keepRunning: true });
    const [one, two] = await Promise.all([start(), start()]);
    expect(one.password).toBe(two.password);
    expect(one.port).toBe(two.port);
    await destroyEmbedded({ dataDirectory });
  });
});

describe('whoever has taken a server’s port', () => {
  it('does not get the password by asking for it', async () => {
    let heard = '';
    const impostor = createServer((socket) => {
      socket.on('error', () => undefined);
      // AuthenticationCleartextPassword, as soon as the client has said who it is.
      socket.once('data', () => socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])));
      socket.on('data', (bytes) => (heard += bytes.toString('latin1')));
    });
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    const { port } = impostor.address() as AddressInfo;
    const url = `postgresql://u:s3cret@127.0.0.1:${port}/d?sslmode=disable`;
    await expect(load({ databaseUrl: `${url}&require_auth=scram-sha-256` })).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('the server asks for the password itself') as string,
    });
    expect(heard).toContain('user\0u\0');
    expect(heard).not.toContain('s3cret');
    impostor.close();
  });

  it('is not believed where it lets everybody in', async () => {
    const impostor = createServer((socket) => {
      socket.on('error', () => undefined);
      // AuthenticationOk and ReadyForQuery.
      socket.once('data', () =>
        socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])),
      );
    });
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    const { port } = impostor.address() as AddressInfo;
    const url = `postgresql://u:s3cret@127.0.0.1:${port}/d?sslmode=disable`;
    await expect(load({ databaseUrl: `${url}&require_auth=scram-sha-256` })).rejects.toMatchObject({
      code: 'configuration',
    });
    impostor.close();
  });
});
