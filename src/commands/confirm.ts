import { refusal } from '../errors.js';
import { inOneLine } from '../report/units.js';

/** What an operation asks by: a question for each plan; nothing is asked where it was answered, or nothing is to be done. */
export function confirmUnless<Plan>(
  { yes, dryRun }: { yes?: true; dryRun?: true },
  questionFor: (plan: Plan) => string,
): ((plan: Plan, signal: AbortSignal) => Promise<boolean>) | undefined {
  return yes === true || dryRun === true
    ? undefined
    : (plan, signal) => confirmOnTerminal(questionFor(plan), signal);
}

/** Asks a question on the terminal; only `y` or `yes` agrees, and the end of the input does not. */
export async function confirmOnTerminal(question: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw refusal('there is no terminal to ask on', 'add --yes to go ahead without being asked');
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // While it reads, the terminal sends no signal of its own.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  // Back in the foreground it does not read until it is told to.
  terminal.on('SIGCONT', () => terminal.resume());
  try {
    const answer = await terminal.question(`${inOneLine(question)} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (signal.aborted) throw error;
    return false;
  } finally {
    terminal.close();
  }
}
