import { messageOf, ScaleSeedError } from '../errors.js';
import { benchmarkEntries } from '../judge/benchmark.js';
import { annotate, renderAnnotations } from '../show/github.js';
import { renderJunit, renderJunitError } from '../show/junit.js';
import { renderMarkdown } from '../show/render.js';
import type { CiReport } from '../report/result.js';
import { writeResult, type FileFlags } from './outputs.js';

/** Gives CI systems a report in the forms that the options and the environment ask for. */
export async function publishCi(report: CiReport, { summary, junit, benchmark }: FileFlags): Promise<void> {
  if (process.env.GITHUB_ACTIONS === 'true') process.stderr.write(renderAnnotations(report));
  const entries = (): string => `${JSON.stringify(benchmarkEntries(report), null, 2)}\n`;
  const written = await Promise.allSettled([
    junit === undefined ? undefined : writeResult('junit', junit, renderJunit(report)),
    benchmark === undefined ? undefined : writeResult('benchmark', benchmark, entries()),
    appendSummary(renderMarkdown(report), summary),
  ]);
  // One that cannot be written keeps no other from being there.
  const failed = written.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** The same for what kept ci from a report; where that cannot be written either, the failure itself says enough. */
export async function publishFailure(error: unknown, { summary, junit }: FileFlags): Promise<void> {
  const { state, hint } = error instanceof ScaleSeedError ? error : {};
  const lines = [messageOf(error), ...(state ? [`now: ${state}`] : []), ...(hint ? [`try: ${hint}`] : [])];
  const text = lines.join('\n');
  if (process.env.GITHUB_ACTIONS === 'true') process.stderr.write(annotate('error', 'failed', text));
  try {
    if (junit !== undefined) await writeResult('junit', junit, renderJunitError(text));
    const code = text.replace(/^/gm, '    ');
    await appendSummary(`### Failed: scale-seed ci\n\n${code}\n`, summary);
  } catch {
    return;
  }
}

/** To the file that was named, else to GitHub's, which nobody named: where that cannot be written, it is a warning. */
async function appendSummary(markdown: string, file: string | undefined): Promise<void> {
  const target = file ?? (process.env.GITHUB_STEP_SUMMARY || undefined);
  if (target === undefined) return;
  const writing = writeResult('summary', target, `${markdown}\n`, 'a');
  await (file === undefined ? writing.catch(warn) : writing);
}

function warn(error: unknown): void {
  process.stderr.write(annotate('warning', 'no summary', messageOf(error)));
}
