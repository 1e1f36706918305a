import { VIOLATIONS, type TrialResult, type Violation } from './trial.js';

const HEADS: Record<Violation, string> = {
  partial: 'not all or nothing',
  structure: 'indexes, constraints, orphans',
  hang: 'hangs',
  leftover: 'leftovers',
  exit: 'wrong exit or message',
  next: 'next run failed',
};

/** The results as a Markdown table, a row a fault. */
export function renderTable(results: readonly TrialResult[]): string {
  const faults = [...new Set(results.map(({ fault }) => fault))];
  const rows = [
    ...faults.map((fault) =>
      rowOf(
        fault,
        results.filter((result) => result.fault === fault),
      ),
    ),
    rowOf('all', results),
  ];
  const head = [
    'fault',
    'trials',
    ...VIOLATIONS.map((kind) => HEADS[kind]),
    'exit codes',
    'longest until gone',
  ];
  return [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

function rowOf(name: string, results: readonly TrialResult[]): string[] {
  const clocked = results.map(({ clockedMs }) => clockedMs).filter((ms) => ms !== undefined);
  return [
    name,
    String(results.length),
    ...VIOLATIONS.map((kind) =>
      String(results.filter(({ violations }) => violations.some((found) => found.kind === kind)).length),
    ),
    exitCodes(results),
    clocked.length === 0 ? '' : `${(Math.max(...clocked) / 1000).toFixed(1)} s`,
  ];
}

function exitCodes(results: readonly TrialResult[]): string {
  const counts = new Map<string, number>();
  for (const exit of results.flatMap(({ exits }) => exits)) counts.set(exit, (counts.get(exit) ?? 0) + 1);
  return [...counts]
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([exit, count]) => `${exit}: ${count}`)
    .join(', ');
}
