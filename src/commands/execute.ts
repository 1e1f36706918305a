import { writeFile } from 'node:fs/promises';
import { messageOf, ScaleSeedError } from '../errors.js';
import type { OnEvent } from '../events.js';
import { renderMarkdown } from '../report/markdown.js';
import { showProgress } from '../report/progress.js';
import type { Report } from '../report/result.js';
import { renderText } from '../report/text.js';
import { onInterrupt } from './interrupt.js';
import type { OutputFlags } from './shared-options.js';

/**
 * Runs a command of the library's: progress and notices go to standard error, the report alone to standard output,
 * Ctrl-C and SIGTERM to the library's signal.
 */
export async function execute<R extends Report>(
  flags: OutputFlags,
  run: (control: { signal: AbortSignal; onEvent: OnEvent }) => Promise<R>,
): Promise<R> {
  const interruption = onInterrupt();
  const progress = showProgress(process.stderr, {
    progress: flags.progress && flags.quiet !== true,
    notices: flags.quiet !== true,
  });
  try {
    const report = await run({ signal: interruption.signal, onEvent: progress.onEvent });
    progress.stop();
    await publish(report, flags);
    return report;
  } finally {
    progress.stop();
    interruption.off();
  }
}

async function publish(report: Report, { format, output }: OutputFlags): Promise<void> {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  const text = { json: () => json, markdown: () => renderMarkdown(report), text: () => renderText(report) }[
    format
  ]();
  process.stdout.write(text);
  if (output === undefined) return;
  try {
    await writeFile(output, json);
  } catch (error) {
    throw new ScaleSeedError(`the report cannot be written: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      state: 'the command itself is done and committed',
      hint: 'check --output',
    });
  }
}
