import { onSessions } from './on-sessions.js';
import { prepare, type Prepared, type PrepareOptions } from './prepare.js';
import type { Session } from '../postgres/session.js';
import { settleTables } from './settle.js';
import { translateError } from '../postgres/translate-error.js';
import type { Database } from './with-database.js';
import { ScaleSeedError, withState, type Phase } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { SETS } from '../fixtures/registry.js';
import type { FixtureOptions } from './options.js';
import { REPORT_VERSION, type ReportBase } from '../report/result.js';
import { stopwatch } from './stopwatch.js';

/** What a command needs to know before it can work on fixtures. */
export interface RunPlan<Result> extends Pick<
  PrepareOptions,
  'parents' | 'guard' | 'known' | 'survey' | 'needs' | 'citus'
> {
  /** Sessions at work at once. */
  jobs: number;
  /** Vacuum and analyze the tables of fixtures whose result says that rows were changed. */
  settle: boolean;
  changed: (result: Result) => boolean;
  /** Works on one fixture; `enter` says which phase it is in. */
  work: (step: Step) => Promise<Result>;
}

/** One fixture's turn. */
export interface Step {
  database: Database;
  prepared: Prepared;
  session: Session;
  fixture: Fixture;
  enter: (phase: Phase) => void;
  /** The phase that was entered last. */
  phase: () => Phase;
  /** Says that so many more of the fixture's rows are through a phase. */
  count: (phase: Phase, rows: number) => void;
  /** Says what stands of the fixture from now on, whatever fails later. */
  stands: (state: string) => void;
}

/** What stands of a fixture whose transaction has been committed. */
export const COMMITTED = 'done and committed';

export interface RunResult<Result> {
  base: ReportBase;
  prepared: Prepared;
  results: Result[];
  connectMs: number;
  workMs: number;
  settleMs: number;
  totalMs: number;
}

/**
 * What every command does around its fixtures: hold the database against what they need, give each a session, settle
 * the tables, and say on failure what stands.
 */
export async function runOnFixtures<Result>(
  database: Database,
  options: FixtureOptions,
  plan: RunPlan<Result>,
): Promise<RunResult<Result>> {
  const { fixtures = SETS.fleet, schema, waitMs = 0 } = options;
  refuseOthers(fixtures);
  const startedAt = new Date().toISOString();
  const total = stopwatch();
  const connecting = stopwatch();
  const prepared = await prepare(database, { fixtures, schema, waitMs, ...plan });
  const connectMs = connecting();
  try {
    const working = stopwatch();
    const results = await workOnAll(database, prepared, fixtures, plan);
    const workMs = working();
    const settling = stopwatch();
    const changed = fixtures.filter((_, index) => plan.changed(results[index] as Result));
    const tables = [...new Set(changed.map(prepared.tableOf))];
    if (plan.settle) await settleTables(database, prepared.session, tables);
    const settleMs = settling();
    const base = reportBase(database, startedAt, prepared.server.version);
    return { base, prepared, results, connectMs, workMs, settleMs, totalMs: total() };
  } finally {
    await prepared.session.close();
  }
}

/** JavaScript lets anything pass for a fixture: a name, say. */
function refuseOthers(fixtures: readonly unknown[]): void {
  if (fixtures.every((fixture) => typeof (fixture as Fixture | undefined)?.rows === 'function')) return;
  throw new ScaleSeedError('fixtures must be what defineFixture or chooseFixtures returns', {
    code: 'usage',
    phase: 'configure',
    hint: "chooseFixtures({ names: ['01_bulk_renewal_certs'] }) finds them by name",
  });
}

/** What every report begins with. */
export function reportBase({ target }: Database, startedAt: string, version: string): ReportBase {
  return {
    version: REPORT_VERSION,
    startedAt,
    database: target.display,
    server: { version },
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

async function workOnAll<Result>(
  database: Database,
  prepared: Prepared,
  fixtures: readonly Fixture[],
  { jobs, work }: RunPlan<Result>,
): Promise<Result[]> {
  const states = new Map(fixtures.map((fixture) => [fixture, 'nothing was changed']));
  try {
    return await onSessions(database, prepared.session, fixtures, jobs, (session, fixture) => {
      const stands = (state: string): void => void states.set(fixture, state);
      return workOnOne({ database, prepared, session, fixture, stands }, work);
    });
  } catch (error) {
    throw withState(translateError(error, { phase: 'connect' }), describeStates(states));
  }
}

async function workOnOne<Result>(
  step: Omit<Step, 'enter' | 'phase' | 'count'>,
  work: RunPlan<Result>['work'],
): Promise<Result> {
  const { fixture, prepared, database, stands } = step;
  const table = prepared.tableOf(fixture);
  let phase: Phase = 'prepare';
  const enter = (next: Phase): void => {
    phase = next;
    database.onEvent({
      type: 'phase',
      fixture: fixture.name,
      table: table.name,
      phase,
      totalRows: fixture.count,
    });
  };
  const counts = new Map<Phase, number>();
  const count = (counted: Phase, more: number): void => {
    const rows = (counts.get(counted) ?? 0) + more;
    counts.set(counted, rows);
    database.onEvent({
      type: 'progress',
      fixture: fixture.name,
      phase: counted,
      rows,
      totalRows: fixture.count,
    });
  };
  try {
    const result = await work({ ...step, enter, phase: () => phase, count });
    stands(COMMITTED);
    database.onEvent({ type: 'done', fixture: fixture.name });
    return result;
  } catch (error) {
    const named = { phase, fixture: fixture.name, table: `${table.schema}.${table.name}` };
    const translated = translateError(error, named);
    if (translated.state !== undefined) stands(translated.state);
    throw translated;
  }
}

/** Every fixture with what stands of it, those of one state together. */
function describeStates(states: ReadonlyMap<Fixture, string>): string {
  return [...new Set(states.values())]
    .map((state) => {
      const fixtures = [...states.keys()].filter((fixture) => states.get(fixture) === state);
      return `${fixtures.map(({ name }) => name).join(', ')}: ${state}`;
    })
    .join('; ');
}
