import { Option, type Command } from 'commander';
import { withHelp, type Example } from './help.js';

/** What a flag is called, what it means, and how its value is read; or commander's own where there is more to it. */
export type OptionSpec =
  Option | readonly [flags: string, meaning: string, parse?: (text: string) => unknown];

interface Definition<Flags> {
  description: string;
  argument?: readonly [name: string, meaning: string];
  /** By the headings under which the help lists them. */
  options: Readonly<Record<string, readonly OptionSpec[]>>;
  examples: readonly Example[];
  /** Exit codes besides those of every command. */
  codes?: readonly ('overBudget' | 'drift')[];
  /** Returns the exit code. */
  run: (names: readonly string[], flags: Flags) => Promise<number>;
}

/** Adds a command to the program. */
export function defineCommand<Flags extends object>(
  program: Command,
  name: string,
  { description, argument, options, examples, codes, run }: Definition<Flags>,
): void {
  const command = program.command(name).description(description);
  if (argument !== undefined) command.argument(...argument);
  for (const [heading, specs] of Object.entries(options)) {
    command.optionsGroup(heading);
    for (const spec of specs) command.addOption(spec instanceof Option ? spec : optionOf(...spec));
  }
  command.action(async () => {
    process.exitCode = await run(command.args, command.opts<Flags>());
  });
  withHelp(command, examples, codes);
}

function optionOf(flags: string, meaning: string, parse?: (text: string) => unknown): Option {
  const option = new Option(flags, meaning);
  return parse === undefined ? option : option.argParser(parse);
}
