import type { Command } from 'commander';
import { alignColumns } from '../show/align-columns.js';
import { EXIT } from './exit-codes.js';

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  failed: 'failed; the message says what stands in the database',
  usage: 'bad usage or configuration, or refused by the guard',
  overBudget: 'loaded and verified, but over budget or regressed',
  drift: 'verify found drift',
  sigint: 'interrupted by Ctrl-C (SIGINT); rolled back',
  sigterm: 'interrupted by SIGTERM; rolled back',
};

/** What every command may exit with. */
const ALWAYS = ['done', 'failed', 'usage', 'sigint', 'sigterm'] as const;

/** A command as it is typed, and what it does. */
export type Example = readonly [command: string, meaning: string];

/** Adds examples to a command's help, and the exit codes: those of every command, and `more`. */
export function withHelp(
  command: Command,
  examples: readonly Example[],
  more: readonly ('overBudget' | 'drift')[] = [],
): Command {
  return command.addHelpText('after', () => {
    const names = Object.keys(EXIT) as (keyof typeof EXIT)[];
    const codes = names.filter((name) => [...ALWAYS, ...more].includes(name));
    return `\n${section('Examples', examples)}\n${section(
      'Exit codes',
      codes.map((name) => [String(EXIT[name]), MEANINGS[name]]),
    ).trimEnd()}`;
  });
}

/** A heading, and lines of two columns under it. */
function section(title: string, lines: readonly (readonly string[])[]): string {
  return `${title}:\n${alignColumns(lines.map(([first = '', second = '']) => [`  ${first}`, second]))}`;
}

/** Adds what concerns all commands to the help of the program. */
export function withProgramHelp(program: Command): Command {
  const environment = section('Environment', [
    ['DATABASE_URL, PG*', 'the database, where no --database-url is given'],
    ['SCALE_SEED_DATA_DIR', "the embedded server's directory"],
    ['LOADTEST_SCALE_SEED', 'set and not true: load and ci do nothing'],
  ]);
  program.addHelpText('after', `\n${environment.trimEnd()}`);
  return withHelp(
    program,
    [
      ['scale-seed load', 'the fleet, into the database that is named'],
      ['scale-seed load --embedded', 'the same, where there is no database'],
      ['scale-seed load --help', 'options, defaults and examples of a command'],
    ],
    ['overBudget', 'drift'],
  );
}
