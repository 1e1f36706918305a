import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
let copy: string;

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'scale-seed-layers-'));
  for (const name of ['src', 'package.json', 'tsconfig.json', '.dependency-cruiser.mjs'])
    await cp(join(ROOT, name), join(copy, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
});

afterAll(() => rm(copy, { recursive: true, force: true }));

/** Runs that part of `npm run lint` that holds the layers, on the copy with such files in it. */
async function lint(files: Readonly<Record<string, string>>): Promise<{ code: number; output: string }> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: { lint: string };
  };
  const command = scripts.lint.split('&&').at(-1)!.replace(' bench test', '').trim();
  for (const [name, text] of Object.entries(files)) await writeFile(join(copy, 'src', name), text);
  const [program = '', ...args] = command.split(' ');
  const path = join(ROOT, 'node_modules', '.bin', program);
  const result = await new Promise<{ code: number; output: string }>((done) => {
    execFile(path, args, { cwd: copy }, (error, stdout, stderr) => {
      done({ code: Number(error?.code ?? 0), output: stdout + stderr });
    });
  });
  for (const name of Object.keys(files)) await rm(join(copy, 'src', name));
  return result;
}

describe('npm run lint', () => {
  it('fails for what leads upwards or in a circle, and for what a folder must not know, and for nothing else', async () => {
    const { code, output } = await lint({
      'encode/up.ts': `import { quote } from '../postgres/quote.js';\nexport const up = quote('a');\n`,
      'encode/one.ts': `import type { Two } from './two.js';\nexport interface One { two?: Two }\n`,
      'encode/two.ts': `import type { One } from './one.js';\nexport interface Two { one?: One }\n`,
      'fixtures/driven.ts': `import pg from 'pg';\nexport const driver = pg.Client;\n`,
      'show/curious.ts': `export { ScaleSeedError } from '../errors.js';\n`,
      'run/top.ts': `export * from '../index.js';\n`,
    });
    expect(code).not.toBe(0);
    const found = [...output.matchAll(/^ *(?:error|warn) (\S+: \S+)/gm)].map(([, one]) => one);
    expect(found.sort()).toEqual([
      'no-circular: src/encode/one.ts',
      'nothing-imports-the-top: src/run/top.ts',
      'nothing-upwards-from-encode: src/encode/up.ts',
      'rows-know-no-driver: src/fixtures/driven.ts',
      'show-is-pure: src/show/curious.ts',
    ]);
  });
});
