import type { Fixture } from '../fixtures/fixture.js';
import { loadFixture, summarizeChecks } from '../merge/load-fixture.js';
import { translateError } from '../postgres/translate-error.js';
import type { LoadedFixture, LoadReport } from '../report/result.js';
import { rounded } from '../report/rounded.js';
import { withDatabase, type RunContext } from '../run/context.js';
import type { FixtureOptions } from '../run/options.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import { verifyOn } from './verify.js';

/** What operations take that add rows. */
export interface AddOptions extends FixtureOptions {
  /** Insert the parent rows that are missing. */
  createParents?: boolean | undefined;
  /** Fixtures of your own besides those that are loaded: their rows do not look like a real fleet. */
  known?: readonly Fixture[] | undefined;
  /** Load into a database that looks like a real fleet. */
  force?: boolean | undefined;
  /** VACUUM (ANALYZE) the tables afterwards; true by default. */
  settle?: boolean | undefined;
}

export interface LoadOptions extends AddOptions {
  /**
   * `online` (the default) never blocks readers or writers. `exclusive` locks each table while its rows are merged,
   * and rebuilds plain indexes in the same transaction where that is quicker.
   */
  mode?: 'online' | 'exclusive' | undefined;
  /** How long exclusive mode waits for a table's lock, in milliseconds; 10 s by default. */
  lockTimeoutMs?: number | undefined;
  /** Load as into tables that Citus distributes, even where it does not. */
  citus?: boolean | undefined;
  /** Read the rows back afterwards, as `verify` does. */
  verify?: boolean | undefined;
}

/**
 * Loads fixtures: rows that stand are left alone, rows that are missing are added, each fixture in one transaction.
 *
 * @throws ScaleSeedError; fixtures that had been committed by then stand, and its `state` names them.
 */
export function load(options: LoadOptions = {}): Promise<LoadReport> {
  return withDatabase(options, async (context) => {
    const report = await loadOn(context, options);
    if (options.verify !== true) return rounded(report);
    const verified = await verifyOn(context, options).catch((error: unknown) => {
      throw translateError(error, { phase: 'verify' }).with({ state: 'everything is loaded and committed' });
    });
    return rounded({ ...report, verified });
  });
}

/** Loads fixtures into a database that is at hand. */
export async function loadOn(context: RunContext, options: LoadOptions): Promise<LoadReport> {
  const { mode = 'online', lockTimeoutMs = 10_000 } = options;
  const { base, anchor, fixtures } = await runOnFixtures<LoadedFixture>(context, options, {
    ...needsToAdd(options),
    survey: true,
    privileges: ['select', 'insert'],
    citus: options.citus,
    changed: ({ inserted }) => inserted > 0,
    work: (step) => loadFixture(step, { mode, lockTimeoutMs }),
  });
  const several = new Set(fixtures.map(({ schema }) => schema)).size > 1;
  for (const { name, schema, confirmation } of fixtures) {
    const line = several ? `${schema}: ${confirmation}` : confirmation;
    context.onEvent({ type: 'confirmation', fixture: name, line });
  }
  return {
    ...base,
    command: 'load',
    mode,
    anchor,
    foreignKeys: summarizeChecks(fixtures.map(({ foreignKeys }) => foreignKeys)),
    fixtures,
  };
}

/** What adding rows asks of a run. */
export function needsToAdd({ createParents, force, known, settle = true }: AddOptions) {
  const parents = createParents === true ? ('create' as const) : ('require' as const);
  return { parents, guard: force !== true, known, settle };
}
