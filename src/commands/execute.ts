import v8 from 'node:v8';
import type { ScaleSeedError } from '../errors.js';
import type { AddOptions } from '../operations/load.js';
import type { OnEvent } from '../report/events.js';
import { REPORT_VERSION, type FailureReport, type Report, type ReportJson } from '../report/result.js';
import { showProgress } from '../show/progress.js';
import { renderMarkdown, renderText } from '../show/render.js';
import { fixturesOf } from './chosen-fixtures.js';
import { asScaleSeedError } from './conclude.js';
import { onInterrupt } from './interrupt.js';
import { allWritten, refuseUnwritable, STDOUT, writeResult } from './outputs.js';
import { databaseOf, type OperationFlags, type ProgressFlags } from './shared-options.js';

interface Publication<R> {
  done: (report: R) => Promise<void>;
  /** `mayWrite` is false where a file that it would write to has been refused. */
  failed: (error: ScaleSeedError, mayWrite: boolean) => Promise<void>;
  /** Files that are written though no option names them, by the variables that do. */
  unasked: Readonly<Record<string, string | undefined>>;
}

/** Runs an operation on what the names and flags choose, and prints its report; a failure is a report too. */
export async function execute<R extends Report>(
  command: R['command'],
  names: readonly string[],
  flags: OperationFlags,
  operate: (options: AddOptions) => Promise<R>,
  { done, failed, unasked = {} }: Partial<Publication<R>> = {},
): Promise<R> {
  const startedAt = new Date().toISOString();
  let mayWrite = false;
  const report = await run().catch(async (error: unknown) => {
    const known = asScaleSeedError(error);
    const failures: FailureReport['failures'] = [{ schema: null, ...known.toJSON() }];
    const told: FailureReport = { version: REPORT_VERSION, command, startedAt, failures };
    await publishFailure(told, flags, mayWrite);
    await failed?.(known, mayWrite);
    throw error;
  });
  await publish(report, flags, done);
  return report;

  async function run(): Promise<R> {
    await refuseUnwritable(flags, { unasked });
    mayWrite = true;
    const chosen = await fixturesOf(names, flags);
    return underControl(flags, (control) => operate({ ...databaseOf(flags), ...control, ...chosen }));
  }
}

/** Runs an operation: progress and notices go to standard error, Ctrl-C and SIGTERM to its signal. */
export async function underControl<R>(
  flags: ProgressFlags,
  run: (control: { signal: AbortSignal; onEvent: OnEvent }) => Promise<R>,
): Promise<R> {
  // Rows live for a millisecond. Letting the heap grow as it would by default makes a load of a million rows no faster,
  // and the process half as large again: 109 MiB against 71. What starting up needs it has got by now.
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  v8.setFlagsFromString('--heap-growing-percent=30');
  const interruption = onInterrupt();
  const progress = await showProgress(process.stderr, {
    progress: flags.progress && flags.quiet !== true && flags.verbose !== true,
    notices: flags.quiet !== true,
    trace: flags.verbose === true,
    // The report's table takes the bars' place, unless it goes elsewhere.
    keep: !process.stdout.isTTY,
  });
  try {
    return await run({ signal: interruption.signal, onEvent: progress.onEvent });
  } finally {
    progress.stop();
    interruption.off();
  }
}

const jsonOf = (report: ReportJson): string => `${JSON.stringify(report, null, 2)}\n`;

async function publish<R extends Report>(
  report: R,
  { format, output }: OperationFlags,
  done?: Publication<R>['done'],
): Promise<void> {
  // Standard output holds one report.
  if (output !== STDOUT) {
    const text = {
      json: () => jsonOf(report),
      markdown: () => renderMarkdown(report),
      text: () => renderText(report, process.stdout.columns),
    }[format]();
    process.stdout.write(text);
  }
  const more = done === undefined ? [] : [done(report)];
  await allWritten([writeResult('--output', output, jsonOf(report)), ...more]);
}

/** For programs alone: people read the message. Where it cannot be written, the failure itself counts. */
async function publishFailure(
  report: FailureReport,
  { format, output }: OperationFlags,
  mayWrite: boolean,
): Promise<void> {
  if (format === 'json' && output !== STDOUT) process.stdout.write(jsonOf(report));
  if (mayWrite || output === STDOUT)
    await writeResult('--output', output, jsonOf(report)).catch(() => undefined);
}
