import { availableParallelism } from 'node:os';
import { refusal } from '../errors.js';
import type { Opened } from '../postgres/session.js';
import { SETS } from '../fixtures/registry.js';
import { translateError } from '../postgres/translate-error.js';
import type { RunEvent } from '../report/events.js';
import { REPORT_VERSION, type Dependents, type Failure, type ReportBase } from '../report/result.js';
import { nameOf } from '../report/table-name.js';
import type { RunContext } from './context.js';
import { errorOf, failuresOf, fleetsIn, prepareFleets, stated, unchanged, workOnFleets } from './fleet.js';
import type { FixtureOptions } from './options.js';
import { Patience } from './patience.js';
import type { Needs } from './prepare.js';
import { resolveSchemas } from './schemas.js';
import { ASK_SERVER, readServer, type Server } from './server.js';
import { Sessions } from './sessions.js';
import { settleTables } from './settle.js';
import type { Step } from './step.js';
import { stopwatch } from '../report/clock.js';

/** What an operation does with its fixtures. */
interface RunPlan<Result> extends Needs {
  inTurn?: boolean;
  /** Vacuum and analyze the tables of fixtures whose result says that rows were changed. */
  settle?: boolean;
  changed?: (result: Result) => boolean;
  /** Rows of other tables that went or changed with it. */
  dependents?: (result: Result) => readonly Dependents[];
  /** The work changes nothing, though it may commit. */
  reads?: boolean;
  /** The schemas by their names, where the patterns of the options have been resolved before. */
  schemas?: readonly string[] | undefined;
  work: (step: Step) => Promise<Result>;
}

/** What became of a run: what every report begins with, and what was done, schema by schema, fixture by fixture. */
interface RunResult<Result> {
  base: ReportBase;
  /** The time on which all times of the fixtures hang, as reports have it. */
  anchor: string;
  fixtures: Result[];
}

const UNSETTLED = 'what was done is committed, but the tables are not vacuumed and analyzed';

/**
 * What every operation does around its fixtures: hold the database against what they need, give each a session, settle
 * the tables, and say on failure what stands. In one schema the first failure ends the run; what fails in one of several
 * stops no other, and stands in the report.
 */
export async function runOnFixtures<Result>(
  context: RunContext,
  options: FixtureOptions,
  plan: RunPlan<Result>,
): Promise<RunResult<Result>> {
  const { fixtures = SETS.fleet, known = [] } = options;
  const { inTurn = false, settle = false, reads = false, changed = () => false, work } = plan;
  const jobs = options.jobs ?? Math.max(2, availableParallelism());
  const startedAt = new Date().toISOString();
  const total = stopwatch();
  const enter = (stage: Extract<RunEvent, { type: 'stage' }>['stage']): void => {
    context.onEvent({ type: 'stage', stage });
  };
  enter('connect');
  const patience = new Patience(context, options.waitMs ?? 0);
  const sessions = new Sessions(context);
  try {
    const reaching = reachServer(
      sessions,
      patience,
      { patterns: options.schemas, names: plan.schemas },
      inTurn ? 1 : Math.min(jobs, fixtures.length),
    );
    const { server, schemas } = await reaching.catch((error: unknown) => {
      throw unchanged(error);
    });
    const run = { sessions, patience, jobs, server, settle, reads, known: [...fixtures, ...known] };
    const fleets = fleetsIn<Result>(context, schemas);
    const failFast = (): void => {
      const error = fleets.length === 1 ? errorOf(fleets[0]!) : undefined;
      if (error !== undefined) throw error;
    };
    enter('prepare');
    await prepareFleets(run, fleets, fixtures, { ...plan, known });
    failFast();
    // Whatever was waited for, times hang on the start of the work; where it ends before that, each fixture tells what stands.
    if (patience.waitedMs > 0 && !context.signal.aborted) {
      const session = await sessions.at(0);
      run.server = await session.transaction((answer) => readServer(session, answer), {
        opening: ASK_SERVER,
        reads: true,
      });
    }
    const connectMs = total() - patience.waitedMs;

    enter('work');
    const working = stopwatch();
    const { backwards = false } = plan;
    await workOnFleets(run, fleets, { inTurn, backwards, stop: fleets.length === 1 }, work);
    const tasks = fleets.flatMap((fleet) => fleet.tasks);
    const written = tasks.flatMap(({ prepared: { table }, done }) =>
      done !== undefined && changed(done.result) ? [{ table, done }] : [],
    );
    const leaveUnsettled = (): void => {
      for (const { done } of written) done.state += ', but not vacuumed and analyzed';
    };
    if (settle && fleets.length === 1 && errorOf(fleets[0]!) !== undefined) leaveUnsettled();
    failFast();
    const workMs = working();

    enter('settle');
    const settling = stopwatch();
    const names = written.flatMap(({ table, done }) => {
      const others = plan.dependents?.(done.result) ?? [];
      return [nameOf(table), ...others.map((rows) => rows.table)];
    });
    const failures: Failure[] = [];
    if (settle) {
      await settleTables(context, sessions, server, new Set(names)).catch((thrown: unknown) => {
        const error = translateError(thrown, { phase: 'settle' }).with({ phase: 'settle' });
        leaveUnsettled();
        if (fleets.length === 1) throw stated(fleets[0]!, error);
        failures.push({ schema: null, ...error.with({ state: UNSETTLED }).toJSON() });
      });
    }
    const settleMs = settling();

    const timings = { connectMs, waitMs: patience.waitedMs, workMs, settleMs, totalMs: total() };
    return {
      base: {
        version: REPORT_VERSION,
        startedAt,
        database: context.target.display,
        server: { version: server.version },
        jobs,
        failures: [...failuresOf(fleets), ...failures],
        timings,
        peakRssBytes: process.resourceUsage().maxRSS * 1024,
      },
      anchor: run.server.anchor,
      fixtures: tasks.flatMap(({ done }) => (done === undefined ? [] : [done.result])),
    };
  } finally {
    await sessions.leave();
    enter('end');
  }
}

/** The server, and the schemas that the options choose there; undefined stands for the search_path. */
async function reachServer(
  sessions: Sessions,
  patience: Patience,
  { patterns, names }: Record<'patterns' | 'names', readonly string[] | undefined>,
  atWork: number,
): Promise<{ server: Server; schemas: readonly (string | undefined)[] }> {
  if (patterns?.length === 0)
    throw refusal('no schema is named', 'name some, or leave them out to work on the search_path');
  return patience.until(async () => {
    const session = await sessions.at(0);
    // One server is chosen by now.
    sessions.openSoon(atWork);
    const ask = async (answer: Opened) => ({
      server: await readServer(session, answer),
      schemas: names ?? (patterns === undefined ? [undefined] : await resolveSchemas(session, patterns)),
    });
    return session.transaction(ask, { opening: ASK_SERVER, reads: true });
  });
}
