import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { run } from '../support/command-line.js';

/** Commands that a help text lists, as paths from the program. */
function subcommands(help: string, parents: readonly string[]): string[][] {
  const [, listed = ''] = /\nCommands:\n((?: .*\n)+)/.exec(help) ?? [];
  const names = [...listed.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name ?? '');
  return names.filter((name) => name !== 'help').map((name) => [...parents, name]);
}

async function helpOf(command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run([...command, '--help'], { COLUMNS: '80' });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe('help', async () => {
  const program = await helpOf([]);
  const top = subcommands(program, []);
  const nested = (await Promise.all(top.map(async (path) => subcommands(await helpOf(path), path)))).flat();

  it('of the program lists the commands, the environment and all exit codes', () => {
    expect(top.flat()).toEqual(expect.arrayContaining(['load', 'verify', 'reset', 'clean', 'list', 'db']));
    expect(nested.map((path) => path.join(' '))).toContain('db start');
    expect(program).toMatch(/LOADTEST_SCALE_SEED/);
    expect([...program.matchAll(/^ {2}(\d+) {2}/gm)].map(([, code]) => code)).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      '130',
      '143',
    ]);
  });

  it('has no option that the guide leaves out', async () => {
    const guide = await readFile(new URL('../../docs/commands.md', import.meta.url), 'utf8');
    const helps = await Promise.all([...top, ...nested].map(helpOf));
    const options = helps.flatMap((help) =>
      [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name),
    );
    expect([...new Set(options)].filter((name) => name !== '--help' && !guide.includes(name ?? ''))).toEqual(
      [],
    );
  });

  it('tells of the guard and of rolling back where there are such', async () => {
    const guarded = ['', 'load', 'reset', 'ci'];
    const onDatabases = [...guarded, 'verify', 'clean', 'manifest'];
    for (const path of [[], ...top, ...nested]) {
      const [name, help] = [path.join(' '), await helpOf(path)];
      const [, codes = ''] = help.split('\nExit codes:\n');
      expect(codes.includes('refused by the guard'), name).toBe(guarded.includes(name));
      expect(codes.includes('rolled back'), name).toBe(onDatabases.includes(name));
    }
  });

  it.each([[], ...top, ...nested].map((path) => [path.join(' '), path] as const))(
    'of `%s` has examples that it understands, and exit codes, in 80 columns',
    async (_, path) => {
      const help = await helpOf(path);
      expect(help).toMatch(/\nExit codes:\n {2}0 /);
      expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
      const [, examples = ''] = /\nExamples:\n((?: .+\n)+)/.exec(help) ?? [];
      const lines = [...examples.matchAll(/scale-seed (.*?)(?: \||\)"|"| {2})/g)].map(
        ([, line]) => line ?? '',
      );
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) {
        const words = line.split(' ');
        const command = words.slice(0, words[0] === 'db' ? 2 : 1);
        const known = await helpOf(command);
        for (const option of line.match(/--[\w-]+/g) ?? [])
          expect(known).toMatch(new RegExp(`^ .*${option}\\b`, 'm'));
      }
    },
  );
});

describe('a slip', () => {
  it.each<[string, string[], RegExp]>([
    ['in a command', ['verfy'], /Did you mean verify\?/],
    ['in a command of a command', ['db', 'strat'], /Did you mean start\?/],
    ['in an option', ['load', '--agent', '5'], /Did you mean --agents\?/],
    ['in a choice', ['load', '--format', 'jsn'], /Allowed choices are text, json, markdown/],
    ['in a fixture', ['load', '02_agents_fleet'], /did you mean 02_agent_fleet\?/],
    ['that is the start of a fixture', ['load', '01_bulk'], /did you mean 01_bulk_renewal_certs\?/],
    ['of a file for a fixture', ['load', './own.mjs'], /chosen by --fixture \.\/own\.mjs/],
  ])('%s is told what was meant', async (_, args, hint) => {
    const { code, stderr } = await run(args);
    expect(stderr).toMatch(hint);
    expect(code).toBe(2);
  });

  it('that is like nothing is told what there is', async () => {
    const { stderr } = await run(['load', '99_nothing_like_it']);
    expect(stderr).toMatch(/try: known are 01_bulk_renewal_certs, /);
  });
});
