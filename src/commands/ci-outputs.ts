import { messageOf, ScaleSeedError } from '../errors.js';
import { benchmarkEntries } from '../judge/benchmark.js';
import type { CiReport } from '../report/result.js';
import { describeFailure } from '../show/describe.js';
import { annotate, renderAnnotations } from '../show/github.js';
import { renderJunit, renderJunitError } from '../show/junit.js';
import { renderMarkdown } from '../show/render.js';
import { allWritten, writeResult, type FileFlags } from './outputs.js';

/** Gives CI systems a report in the forms that the options and the environment ask for. */
export async function publishCi(report: CiReport, { summary, junit, benchmark }: FileFlags): Promise<void> {
  tellGitHub(renderAnnotations(report));
  await allWritten([
    writeResult('junit', junit, renderJunit(report)),
    writeResult('benchmark', benchmark, `${JSON.stringify(benchmarkEntries(report), null, 2)}\n`),
    appendSummary(renderMarkdown(report), summary),
  ]);
}

/** The same for what kept ci from a report; where that cannot be written either, the failure itself says enough. */
export async function publishFailure(error: unknown, { summary, junit }: FileFlags): Promise<void> {
  const failure = error instanceof ScaleSeedError ? error : { message: messageOf(error) };
  const text = describeFailure(failure).join('\n');
  tellGitHub(annotate('error', 'failed', text));
  try {
    await writeResult('junit', junit, renderJunitError(text));
    await appendSummary(`### Failed: scale-seed ci\n\n${text.replace(/^/gm, '    ')}\n`, summary);
  } catch {
    return;
  }
}

function tellGitHub(commands: string): void {
  if (process.env.GITHUB_ACTIONS === 'true') process.stderr.write(commands);
}

/** To the file that was named, else to GitHub's, which nobody named: where that cannot be written, it is a warning. */
async function appendSummary(markdown: string, file: string | undefined): Promise<void> {
  const target = file ?? (process.env.GITHUB_STEP_SUMMARY || undefined);
  await writeResult('summary', target, `${markdown}\n`, 'a').catch((error: unknown) => {
    if (file !== undefined) throw error;
    process.stderr.write(annotate('warning', 'no summary', messageOf(error)));
  });
}
