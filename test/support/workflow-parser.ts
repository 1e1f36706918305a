import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as WorkflowParser from '@actions/workflow-parser';
import { build } from 'esbuild';

/** GitHub's own parser of workflows; it imports JSON in a way that only bundlers understand. */
export async function loadWorkflowParser(): Promise<typeof WorkflowParser> {
  const outfile = join(await mkdtemp(join(tmpdir(), 'scale-seed-bundle-')), 'workflow-parser.cjs');
  await build({
    entryPoints: ['@actions/workflow-parser'],
    absWorkingDir: import.meta.dirname,
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  });
  return createRequire(import.meta.url)(outfile) as typeof WorkflowParser;
}
