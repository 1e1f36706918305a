import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchResult } from '../result.js';
import { renderPage } from './page.js';
import { renderMarkdownTables } from './tables.js';

/** Writes the result as JSON with all samples, as Markdown tables and as a page; returns the names of the files. */
export async function writeReports(result: BenchResult, folder: string): Promise<string[]> {
  const reports = {
    'bench.json': `${JSON.stringify(result, null, 2)}\n`,
    'bench.md': renderMarkdownTables(result),
    'bench.html': renderPage(result),
  };
  const entries = Object.entries(reports).map(([name, text]) => [join(folder, name), text] as const);
  for (const [file, text] of entries) await writeFile(file, text);
  return entries.map(([file]) => file);
}
