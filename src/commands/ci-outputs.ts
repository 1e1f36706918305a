import { messageOf, type ScaleSeedError } from '../errors.js';
import { benchmarkEntries } from '../judge/benchmark.js';
import type { CiReport } from '../report/result.js';
import { annotate, onGitHub, tellGitHub } from '../show/annotate.js';
import { describeFailure } from '../show/describe.js';
import { renderAnnotations } from '../show/github.js';
import { renderJunit, renderJunitError } from '../show/junit.js';
import { renderMarkdown } from '../show/render.js';
import { allWritten, writeResult, type FileFlags } from './outputs.js';

/** Gives CI systems a report in the forms that the options and the environment ask for. */
export async function publishCi(report: CiReport, { summary, junit, benchmark }: FileFlags): Promise<void> {
  tellGitHub(renderAnnotations(report));
  await allWritten([
    writeResult('--junit', junit, renderJunit(report)),
    writeResult('--benchmark', benchmark, `${JSON.stringify(benchmarkEntries(report), null, 2)}\n`),
    appendSummary(renderMarkdown(report), summary),
  ]);
}

/** The same for what kept ci from a report; where that cannot be written either, the failure itself says enough. */
export async function publishCiFailure(
  error: ScaleSeedError,
  { summary, junit, benchmark }: FileFlags,
  mayWrite: boolean,
): Promise<void> {
  const text = describeFailure(error).join('\n');
  tellGitHub(annotate('error', 'failed', text));
  if (!mayWrite) return;
  await Promise.allSettled([
    writeResult('--junit', junit, renderJunitError(text)),
    // An earlier run's times would be taken for this one's.
    writeResult('--benchmark', benchmark, '[]\n'),
    appendSummary(`### Failed: scale-seed ci\n\n${text.replace(/^/gm, '    ')}\n`, summary),
  ]);
}

/** To the file that was named, else to GitHub's, which nobody named: where that cannot be written, it is a warning. */
async function appendSummary(markdown: string, file: string | undefined): Promise<void> {
  const text = `${markdown}\n`;
  if (file !== undefined) return writeResult('--summary', file, text, 'a');
  const unasked = process.env.GITHUB_STEP_SUMMARY || undefined;
  await writeResult('GITHUB_STEP_SUMMARY', unasked, text, 'a').catch((error: unknown) => {
    const problem = messageOf(error);
    process.stderr.write(
      onGitHub() ? annotate('warning', 'no summary', problem) : `scale-seed: ${problem}\n`,
    );
  });
}
