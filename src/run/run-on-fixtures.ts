import { ScaleSeedError } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { SETS } from '../fixtures/registry.js';
import { REPORT_VERSION, type ReportBase } from '../report/result.js';
import type { RunContext } from './context.js';
import { errorOf, failuresOf, fleetsIn, prepareFleets, unchanged, workOnFleets } from './fleet.js';
import type { FixtureOptions } from './options.js';
import { Patience } from './patience.js';
import type { Needs } from './prepare.js';
import { resolveSchemas } from './schemas.js';
import { askServer, type Server } from './server.js';
import { jobsOf, Sessions } from './sessions.js';
import { settleTables } from './settle.js';
import type { Step } from './step.js';
import { stopwatch } from './stopwatch.js';

/** What an operation does with its fixtures. */
export interface RunPlan<Result> extends Needs {
  /** The fixtures of one schema take turns. */
  inTurn: boolean;
  /** Vacuum and analyze the tables of fixtures whose result says that rows were changed. */
  settle: boolean;
  changed: (result: Result) => boolean;
  /** Works on one fixture in one schema. */
  work: (step: Step) => Promise<Result>;
}

/** What became of a run: what every report begins with, and what was done, schema by schema, fixture by fixture. */
export interface RunResult<Result> {
  base: ReportBase;
  anchorUs: bigint;
  done: { fixture: Fixture; result: Result }[];
}

/**
 * What every operation does around its fixtures: hold the database against what they need, give each a session, settle
 * the tables, and say on failure what stands. In one schema the first failure ends the run; what fails in one of several
 * stops no other, and stands in the report.
 *
 * @throws ScaleSeedError for what concerns all schemas, and where there is but one, for whatever fails there.
 */
export async function runOnFixtures<Result>(
  context: RunContext,
  options: FixtureOptions,
  plan: RunPlan<Result>,
): Promise<RunResult<Result>> {
  const { fixtures = SETS.fleet } = options;
  refuseOthers(fixtures);
  const jobs = jobsOf(options.jobs);
  const startedAt = new Date().toISOString();
  const total = stopwatch();
  const patience = new Patience(context, options.waitMs ?? 0);
  const sessions = new Sessions(context);
  try {
    const reaching = reachServer(sessions, patience, options.schemas);
    const { server, schemas } = await reaching.catch((error: unknown) => {
      throw unchanged(error);
    });
    const crew = { sessions, jobs, server };
    const fleets = fleetsIn<Result>(context, schemas);
    const failFast = (): void => {
      const error = fleets.length === 1 ? errorOf(fleets[0]!) : undefined;
      if (error !== undefined) throw error;
    };
    await prepareFleets(crew, fleets, patience, fixtures, plan);
    failFast();
    // Whatever was waited for, times hang on the start of the work.
    if (patience.waitedMs > 0) {
      const session = await sessions.at(0);
      crew.server = await session.transaction(() => askServer(session));
    }
    const connectMs = total() - patience.waitedMs;

    const working = stopwatch();
    await workOnFleets(crew, fleets, { inTurn: plan.inTurn, stop: fleets.length === 1 }, plan.work);
    failFast();
    const workMs = working();

    const settling = stopwatch();
    const tasks = fleets.flatMap((fleet) => fleet.tasks);
    const changed = tasks.filter(({ done }) => done !== undefined && plan.changed(done.result));
    const tables = new Set(changed.map(({ prepared }) => prepared.table));
    if (plan.settle) await settleTables(context, sessions, [...tables]);
    const settleMs = settling();

    const timings = { connectMs, waitMs: patience.waitedMs, workMs, settleMs, totalMs: total() };
    return {
      base: {
        version: REPORT_VERSION,
        startedAt,
        database: context.target.display,
        server: { version: server.version },
        jobs,
        failures: failuresOf(fleets),
        timings,
        peakRssBytes: process.resourceUsage().maxRSS * 1024,
      },
      anchorUs: crew.server.anchorUs,
      done: tasks.flatMap(({ prepared, done }) =>
        done === undefined ? [] : [{ fixture: prepared.fixture, result: done.result }],
      ),
    };
  } finally {
    await sessions.close();
  }
}

/** The server, and the schemas that the options choose there; undefined stands for the search_path. */
async function reachServer(
  sessions: Sessions,
  patience: Patience,
  patterns: readonly string[] | undefined,
): Promise<{ server: Server; schemas: (string | undefined)[] }> {
  if (patterns?.length === 0) throw noSchema();
  return patience.until(async () => {
    const session = await sessions.at(0);
    return session.transaction(async () => ({
      server: await askServer(session),
      schemas: patterns === undefined ? [undefined] : await resolveSchemas(session, patterns),
    }));
  });
}

/** JavaScript lets anything pass for fixtures: a name, say, or one that is not in a list. */
function refuseOthers(fixtures: unknown): void {
  const isFixture = (value: unknown): boolean => typeof (value as Fixture | undefined)?.rows === 'function';
  if (Array.isArray(fixtures) && fixtures.every(isFixture)) return;
  throw new ScaleSeedError('fixtures must be a list of what defineFixture or chooseFixtures returns', {
    code: 'usage',
    phase: 'configure',
    hint: "chooseFixtures({ names: ['01_bulk_renewal_certs'] }) finds them by name",
  });
}

function noSchema(): ScaleSeedError {
  return new ScaleSeedError('no schema is named', {
    code: 'usage',
    phase: 'configure',
    hint: 'name some, or leave them out to work on the search_path',
  });
}
