import type { Failure, FixtureResult } from './result.js';

/** What a report says of fixtures, in one schema or several. */
interface Told<Fixture extends FixtureResult = FixtureResult> {
  failures: readonly Failure[];
  fixtures: readonly Fixture[];
}

/**
 * Whether a run was of several schemas, those among them in which nothing was done: then a fixture stands in more than one,
 * or failed in one that has a name. The tables of one fleet may lie in several of a search_path.
 */
export function ofSeveral({ fixtures, failures }: Told): boolean {
  const names = new Set(fixtures.map(({ name }) => name));
  return names.size < fixtures.length || failures.some(({ schema }) => schema !== null);
}

/** The fixtures of a report by the names that people read: with their schema, where there are several. */
export function named<Fixture extends FixtureResult>(report: Told<Fixture>): readonly Fixture[] {
  if (!ofSeveral(report)) return report.fixtures;
  return report.fixtures.map((fixture) => ({ ...fixture, name: `${fixture.schema}: ${fixture.name}` }));
}

/** What failed in a run and in the next on the same schemas, each once. */
export function joinFailures(first: readonly Failure[], next: readonly Failure[]): Failure[] {
  return [...first, ...newFailures(first, next)];
}

/** Of what failed in the next run, what had not failed before. */
export function newFailures(before: readonly Failure[], next: readonly Failure[]): Failure[] {
  const told = new Set(before.map((failure) => JSON.stringify(failure)));
  return next.filter((failure) => !told.has(JSON.stringify(failure)));
}
