import type { Command } from 'commander';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';

const NAME = 'completion';

/** What the scripts of the shells call with what has been typed so far. */
const REQUEST = 'complete';

/** `scale-seed completion`; the package behind it is loaded only where it is asked for. */
export async function registerCompletion(program: Command, [asked]: readonly string[]): Promise<void> {
  if (asked === NAME || asked === REQUEST) {
    const { default: addCompletion } = await import('@bomb.sh/tab/commander');
    addCompletion(program, { completionCommandName: NAME });
    process.exitCode = EXIT.done;
  } else {
    program.command(NAME).argument('<shell>', 'bash, zsh, fish or powershell');
  }
  const command = program.commands.find((known) => known.name() === NAME)!;
  command.description("a shell's completion script on standard output");
  withHelp(command, [['scale-seed completion bash > ~/.scale-seed.bash', 'then source it in ~/.bashrc']]);
}
