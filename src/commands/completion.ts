import type { Command } from 'commander';
import { EXIT } from './exit-codes.js';

/** What the scripts of the shells call with what has been typed so far. */
const REQUEST = 'complete';

/** `scale-seed completion`; the package behind it is loaded only where it is asked for. */
export async function registerCompletion(program: Command, [asked]: readonly string[]): Promise<void> {
  if (asked !== 'completion' && asked !== REQUEST) {
    program
      .command('completion')
      .argument('<shell>', 'bash, zsh, fish or powershell')
      .description("print a shell's completion script: source <(scale-seed completion bash)");
    return;
  }
  const { default: addCompletion } = await import('@bomb.sh/tab/commander');
  process.exitCode = EXIT.done;
  addCompletion(program, { completionCommandName: 'completion' });
}
