import type { Command } from 'commander';
import { alignColumns } from '../show/align-columns.js';
import { EXIT } from './exit-codes.js';

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  failed: 'failed; the message says why, and what was done before that',
  usage: 'bad usage or configuration',
  overBudget: 'loaded and verified, but over budget or regressed',
  drift: 'the fleet is not what it should be: rows drifted, or could not be added',
  sigint: 'interrupted by Ctrl-C (SIGINT)',
  sigterm: 'interrupted by SIGTERM',
};

/** Commands as they are typed, and what they do. */
export type Examples = readonly (readonly [command: string, meaning: string])[];

/** What only some commands exit with. */
export type RareExit = 'overBudget' | 'drift';

/** Adds examples to a command's help, and the exit codes: those of every command, and `rare`. */
export function withHelp(command: Command, examples: Examples, rare: readonly RareExit[] = []): void {
  const codes = (Object.keys(EXIT) as (keyof typeof EXIT)[])
    .filter((name) => (name !== 'overBudget' && name !== 'drift') || rare.includes(name))
    .map((name) => [String(EXIT[name]), meaningFor(command, name)] as const);
  const sections = [section('Examples', examples), section('Exit codes', codes)];
  command.addHelpText('after', `\n${sections.join('\n').trimEnd()}`);
}

/** What a code means to a command that has a guard, or something to roll back; the program has both. */
function meaningFor({ parent, options }: Command, name: keyof typeof EXIT): string {
  const has = (flag: string): boolean => parent === null || options.some(({ long }) => long === flag);
  if (name === 'usage' && has('--force')) return `${MEANINGS[name]}, or refused by the guard`;
  if (name.startsWith('sig') && has('--database-url')) return `${MEANINGS[name]}; rolled back`;
  return MEANINGS[name];
}

function section(title: string, lines: Examples): string {
  return `${title}:\n${alignColumns(lines.map(([first, second]) => [`  ${first}`, second]))}`;
}

/** Adds what concerns all commands to the help of the program. */
export function withProgramHelp(program: Command): void {
  const environment = section('Environment', [
    ['DATABASE_URL, PG*', 'the database, where no --database-url is given'],
    ['SCALE_SEED_DATA_DIR', "the embedded server's directory"],
    ['SCALE_SEED_POSTGRES_DIR', "the embedded server's programs, in place of npm's"],
    ['LOADTEST_SCALE_SEED', 'set and not true: load and ci do nothing'],
  ]);
  program.addHelpText('after', `\n${environment.trimEnd()}`);
  withHelp(
    program,
    [
      ['scale-seed load', 'the fleet, into the database that is named'],
      ['scale-seed load --embedded', 'the same, where there is no database'],
      ['scale-seed load --help', 'options, defaults and examples of a command'],
    ],
    ['overBudget', 'drift'],
  );
}
