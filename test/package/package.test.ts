import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as source from '../../src/index.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COMMAND = 'node_modules/.bin/scale-seed';
const NODE_TYPES = join(ROOT, 'node_modules', '@types');

let project: string;
let files: string[];

/** Runs a program in the project; no variable that names a database is inherited. */
async function run(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const { PATH = '', HOME = '' } = process.env;
  const options = { cwd: project, env: { PATH, HOME, ...env } };
  const { stdout } = await promisify(execFile)(program, args, options);
  return stdout;
}

/** What is built is packed as it is, and installed where there is nothing else. */
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'scale-seed-package-'));
  // Where root runs this, the embedded server is another user's.
  await chmod(project, 0o755);
  await writeFile(join(project, 'package.json'), '{"name": "consumer", "private": true, "type": "module"}');
  const pack = ['pack', ROOT, '--ignore-scripts', '--json', '--pack-destination', project];
  const [packed] = JSON.parse(await run('npm', pack)) as [{ filename: string; files: { path: string }[] }];
  files = packed.files.map(({ path }) => path);
  await run('npm', ['install', `./${packed.filename}`, '--prefer-offline', '--no-audit', '--no-fund']);
  const consumer = await readFile(join(import.meta.dirname, 'consumer.ts'), 'utf8');
  await writeFile(join(project, 'consumer.ts'), consumer);
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
  await writeFile(join(project, 'consumer.js'), ts.transpileModule(consumer, { compilerOptions }).outputText);
}, 300_000);

afterAll(() => rm(project, { recursive: true, force: true }));

/** What the compiler says of the consumer, and of all that is installed beside it; not of its own libraries. */
function compile(options: ts.CompilerOptions): string {
  const host = { ...ts.createCompilerHost(options), getCurrentDirectory: () => project };
  const program = ts.createProgram([join(project, 'consumer.ts')], options, host);
  const installed = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(project));
  expect(installed.map(({ fileName }) => fileName)).toContain(
    join(project, 'node_modules/scale-seed/dist/index.d.ts'),
  );
  const said = installed.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  const general = [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()];
  return ts.formatDiagnostics([...said, ...general], host);
}

describe('a program that uses the package', () => {
  const { NodeNext, ESNext } = ts.ModuleKind;
  const nodenext = { module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
  const bundler = { module: ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
  const browserTypes = { types: [], lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'] };
  const nodeTypes = { types: ['node'], typeRoots: [NODE_TYPES], lib: ['lib.es2023.d.ts'] };

  it.each([
    ['nodenext', 'no types of any package', { ...nodenext, ...browserTypes }],
    ['bundler', 'no types of any package', { ...bundler, ...browserTypes }],
    ['nodenext', '@types/node alone', { ...nodenext, ...nodeTypes }],
    ['bundler', '@types/node alone', { ...bundler, ...nodeTypes }],
  ])('type-checks under %s with %s, libraries included', (_module, _types, options) => {
    const strictest = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true };
    expect(compile({ ...options, ...strictest, target: ts.ScriptTarget.ES2023 })).toBe('');
  });

  it('runs', async () => {
    const script = `console.log((await import('./consumer.js')).answer)`;
    expect(await run(process.execPath, ['--input-type=module', '-e', script])).toBe('20_own: 2\n');
  });

  it('finds at run time what the types declare, and nothing else', async () => {
    const program = ts.createProgram([join(project, 'node_modules/scale-seed/dist/index.d.ts')], {
      types: [],
    });
    const checker = program.getTypeChecker();
    const [root] = program.getRootFileNames();
    const symbol = checker.getSymbolAtLocation(program.getSourceFile(root ?? '')!)!;
    const declared = checker
      .getExportsOfModule(symbol)
      .map((own) => (own.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(own) : own))
      .filter(({ flags }) => (flags & ts.SymbolFlags.Value) !== 0)
      .map(({ name }) => name);
    const script = `console.log(JSON.stringify(Object.keys(await import('scale-seed'))))`;
    const found = JSON.parse(await run(process.execPath, ['--input-type=module', '-e', script])) as string[];
    expect(declared.sort()).toEqual(found.sort());
    expect(found).toEqual(Object.keys(source).sort());
  });

  it('finds the schemas', async () => {
    for (const name of ['report.schema.json', 'manifest.schema.json']) {
      const script = `console.log(require('scale-seed/${name}').$id)`;
      expect(await run(process.execPath, ['--input-type=commonjs', '-e', script])).toBe(
        `scale-seed/${name}\n`,
      );
    }
  });
});

describe('the installed command line', () => {
  it('says its version', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await run(COMMAND, ['--version'])).toBe(`${version}\n`);
  });

  it('loads into the embedded server', async () => {
    const env = { SCALE_SEED_DATA_DIR: join(project, 'data') };
    const args = ['load', '--embedded', '--agents', '100', '--format', 'json'];
    const report = JSON.parse(await run(COMMAND, args, env)) as source.LoadReport;
    expect(report.fixtures).toMatchObject([{ table: 'agents', inserted: 100, present: 100 }]);
  });
});

describe('the package', () => {
  it('holds what was built and what explains it', () => {
    const folders = [...new Set(files.map((path) => path.split('/')[0]))].filter((name) => name !== 'dist');
    expect(folders.sort()).toEqual([
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'docs',
      'examples',
      'package.json',
    ]);
    const inDist = files.filter((path) => path.startsWith('dist/') && !/^dist\/cli-[\w-]+\.js$/.test(path));
    expect(inDist.sort()).toEqual([
      'dist/LICENSES.txt',
      'dist/cli.js',
      'dist/index.d.ts',
      'dist/index.js',
      'dist/manifest.schema.json',
      'dist/report.schema.json',
    ]);
  });

  it('holds what its papers link to', async () => {
    const papers = files.filter((path) => path.endsWith('.md'));
    const dead = papers.map(async (paper) => {
      const text = await readFile(join(ROOT, paper), 'utf8');
      return [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .map(([, target = '']) => posix.join(posix.dirname(paper), target))
        .filter((target) => !files.some((path) => path === target || path.startsWith(`${target}/`)))
        .map((target) => `${paper}: ${target}`);
    });
    expect(papers).toContain('README.md');
    expect((await Promise.all(dead)).flat()).toEqual([]);
  });
});
