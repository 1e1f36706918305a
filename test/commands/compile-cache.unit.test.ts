import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../support/command-line.js';

const hasCompileCache = 'enableCompileCache' in module;

let caches: string;

beforeEach(async () => {
  caches = await mkdtemp(join(tmpdir(), 'scale-seed-caches-'));
});

afterEach(() => rm(caches, { recursive: true, force: true }));

/** Runs a command, which must do as always, and returns what is in a folder afterwards. */
async function keptIn(folder: string, env: Record<string, string> = {}): Promise<string[]> {
  const outcome = await run(['--version'], { XDG_CACHE_HOME: caches, ...env });
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  return readdir(folder).catch(() => []);
}

describe.skipIf(!hasCompileCache)('compiled code (skipped where Node keeps none: before 22.1)', () => {
  const folder = (): string => join(caches, 'scale-seed');

  it("is kept in the user's cache directory, which others may not enter", async () => {
    expect(await keptIn(folder())).not.toEqual([]);
    expect((await stat(folder())).mode & 0o777).toBe(0o700);
  });

  it('is kept where the cache directory was missing, as on a fresh machine', async () => {
    const [cache, home] = [join(caches, 'new'), join(caches, 'home')];
    await mkdir(home, { mode: 0o700 });
    expect(await keptIn(join(cache, 'scale-seed'), { XDG_CACHE_HOME: cache })).not.toEqual([]);
    expect(await keptIn(join(home, '.cache', 'scale-seed'), { XDG_CACHE_HOME: '', HOME: home })).not.toEqual(
      [],
    );
    expect((await stat(cache)).mode & 0o777).toBe(0o700);
  });

  it.each<[string, () => Promise<unknown>, Record<string, string>?]>([
    ['others may write there', () => mkdir(folder()).then(() => chmod(folder(), 0o777))],
    ['others may write beside it', () => chmod(caches, 0o777)],
    ['a link leads elsewhere', () => mkdir(`${folder()}-2`).then(() => symlink('scale-seed-2', folder()))],
    ['there is no cache directory, nor a folder of ours for it', () => rm(caches, { recursive: true })],
    ['Node is told to keep none', () => Promise.resolve(), { NODE_DISABLE_COMPILE_CACHE: '1' }],
    ['the path is not absolute', () => Promise.resolve(), { XDG_CACHE_HOME: '.', HOME: '/nowhere' }],
  ])('is not kept where %s', async (_, arrange, env = {}) => {
    await arrange();
    expect(await keptIn(folder(), env)).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'is not kept in what belongs to another user, nor made there (skipped unless root runs this)',
    async () => {
      await mkdir(folder(), { mode: 0o700 });
      await chown(folder(), 65_534, 65_534);
      expect(await keptIn(folder())).toEqual([]);
      const env = { XDG_CACHE_HOME: '', HOME: folder() };
      expect(await keptIn(join(folder(), '.cache'), env)).toEqual([]);
    },
  );
});
