import { Option, type Command } from 'commander';
import type { Manifest } from '../report/manifest.js';
import type { Report } from '../report/result.js';
import { conclude } from './conclude.js';
import { EXIT } from './exit-codes.js';
import { withHelp, type Examples, type RareExit } from './help.js';

/** What a flag is called, what it means, and how its value is read; or commander's own where there is more to it. */
export type OptionSpec =
  Option | readonly [flags: string, meaning: string, parse?: (text: string) => unknown];

export interface Definition<Flags> {
  description: string;
  argument?: readonly [name: string, meaning: string];
  options: readonly OptionSpec[];
  /** Those that others have as well, by the headings under which the help lists them. */
  groups?: Readonly<Record<string, readonly OptionSpec[]>>;
  examples: Examples;
  /** Exit codes besides those of every command. */
  codes?: readonly RareExit[];
  /** The exit code is that of the report or manifest that it returns, if any. */
  run: (names: readonly string[], flags: Flags) => Promise<Report | Manifest | undefined> | Promise<void>;
}

/** What adds a command to the program. */
export function defineCommand<Flags extends object>(name: string, definition: Definition<Flags>) {
  const { description, argument, options, groups, examples, codes, run } = definition;
  return (program: Command): void => {
    const command = program.command(name).description(description);
    if (argument !== undefined) command.argument(...argument);
    for (const [heading, specs] of Object.entries({ 'Options:': options, ...groups })) {
      command.optionsGroup(heading);
      for (const spec of specs) command.addOption(spec instanceof Option ? spec : optionOf(...spec));
    }
    command.action(async () => {
      const report = await run(command.args, command.opts<Flags>());
      process.exitCode = report ? conclude(report) : EXIT.done;
    });
    withHelp(command, examples, codes);
  };
}

function optionOf(flags: string, meaning: string, parse?: (text: string) => unknown): Option {
  const option = new Option(flags, meaning);
  return parse === undefined ? option : option.argParser(parse);
}
