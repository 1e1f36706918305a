import type { MomentResult } from './run-moment.js';
import { VIOLATIONS } from './account.js';

/** The results as Markdown: a row an action, a column a command, moments and, of them, those with violations. */
export function renderTable(results: readonly MomentResult[]): string {
  const commands = [...new Set(results.map(({ command }) => command))];
  const actions = [...new Set(results.map(({ action }) => action))];
  const cell = (some: readonly MomentResult[]): string => {
    const bad = some.filter(({ violations }) => violations.length > 0).length;
    return bad === 0 ? String(some.length || '') : `${some.length}, **${bad}**`;
  };
  const rowOf = (name: string, some: readonly MomentResult[]): string[] => [
    name,
    ...commands.map((command) => cell(some.filter((one) => one.command === command))),
    cell(some),
  ];
  return markdown([
    ['action', ...commands, 'all'],
    ...actions.map((name) =>
      rowOf(
        name,
        results.filter(({ action }) => action === name),
      ),
    ),
    rowOf('all', results),
  ]);
}

/** How many moments have violations of each kind, and how many never came or ended in a deadlock of the other session's. */
export function renderKinds(results: readonly MomentResult[]): string {
  const count = (is: (result: MomentResult) => boolean): string => String(results.filter(is).length);
  return markdown([
    ['moments', ...VIOLATIONS, 'not reached', 'the other session deadlocked'],
    [
      String(results.length),
      ...VIOLATIONS.map((kind) => count(({ violations }) => violations.some((one) => one.kind === kind))),
      count(({ reached }) => !reached),
      count(({ deadlocked }) => deadlocked),
    ],
  ]);
}

function markdown([head, ...rows]: readonly string[][]): string {
  const line = head!.map((_, index) => (index === 0 ? '---' : '---:'));
  return [head!, line, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
