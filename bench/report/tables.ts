import { alignColumns } from '../../src/show/align-columns.js';
import { estimateMedian, type MedianEstimate } from '../../src/judge/median-interval.js';
import { formatCount } from '../../src/report/units.js';
import type { Comparison } from '../compare.js';
import type { BenchResult, SizeResult } from '../result.js';

const HEAD = ['path', 'median', 'interval', 'ratio', 'interval', 'to', 'rows/s'];

/** A size's paths, the quickest first. */
function rowsOf({ paths }: SizeResult): string[][] {
  return [...paths]
    .sort((a, b) => a.time.median - b.time.median)
    .map(({ name, time, ratio, rowsPerSecond }) => [
      name,
      `${Math.round(time.median)} ms`,
      intervalOf(time, (ms) => String(Math.round(ms))),
      ratio === undefined ? '-' : ratio.median.toFixed(2),
      ratio === undefined ? '-' : intervalOf(ratio, (value) => value.toFixed(2)),
      ratio?.to ?? '-',
      rowsPerSecond === undefined ? '-' : formatCount(rowsPerSecond),
    ]);
}

/** The ends of an interval, such as `0.46 to 0.52`. */
export function intervalOf(
  { interval: [low, high] }: MedianEstimate,
  format: (value: number) => string,
): string {
  return `${format(low)} to ${format(high)}`;
}

/** The result for a terminal. */
export function renderTables(result: BenchResult): string {
  const tables = result.sizes.map((size) => {
    const skipped = size.skipped.map(({ name, reason }) => `skipped ${name}: ${reason}\n`).join('');
    return `${size.size}: ${formatCount(size.rows)} rows\n\n${alignColumns([HEAD, ...rowsOf(size)], [1, 2, 3, 4, 6])}${skipped}`;
  });
  return `${tables.join('\n')}\n${describeRun(result)}\n`;
}

/** The result as Markdown. */
export function renderMarkdownTables(result: BenchResult): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  const tables = result.sizes.map(
    (size) =>
      `#### ${size.size}: ${formatCount(size.rows)} rows\n\n${line(HEAD)}${line(['---', '---:', '---:', '---:', '---:', '---', '---:'])}${rowsOf(size).map(line).join('')}`,
  );
  return `${tables.join('\n')}\n${describeRun(result)}\n`;
}

/** What `--compare` found, for a terminal. */
export function renderComparison(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ size, path, change, probability, verdict, regressed }) => [
    size,
    path,
    change.toFixed(2),
    probability.toFixed(3),
    regressed ? `${verdict}: a regression` : verdict,
  ]);
  return alignColumns([['size', 'path', 'new/old', 'p', 'verdict'], ...rows], [2, 3]);
}

/** The machine, the server and the number of rounds, in a line. */
export function describeRun({ machine, server, sandbox, sizes }: BenchResult): string {
  const samples = sizes[0]?.paths[0]?.samplesMs ?? [];
  const percent = Math.floor(estimateMedian(samples).confidence * 100);
  const intervals = samples.length > 1 ? `, with ${percent} % intervals` : '';
  const memoryGib = Math.round(machine.memoryBytes / 1024 ** 3);
  return `${machine.cores} cores (${machine.cpu}), ${memoryGib} GiB, Node ${machine.node}, PostgreSQL ${server.version}; medians of ${samples.length} interleaved runs${intervals}, each in ${sandbox}`;
}
