import type { ScaleSeedError } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { translateError } from '../postgres/translate-error.js';
import type { Failure } from '../report/result.js';
import type { RunContext } from './context.js';
import type { Patience } from './patience.js';
import { prepareSchema, turnsOf, type Needs, type Prepared } from './prepare.js';
import type { Sessions } from './sessions.js';
import { takeStep, tryAgain, UNCHANGED, untouched, type RunOfSteps, type Step } from './step.js';

/** The fixtures of one schema on their way through a run. */
export interface Fleet<Result> {
  /** Undefined for the search_path. */
  schema: string | undefined;
  context: RunContext;
  tasks: Task<Result>[];
  /** Why its tables cannot be worked on. */
  failed?: ScaleSeedError;
}

interface Task<Result> {
  prepared: Prepared;
  /** With what stands of the fixture then. */
  done?: { result: Result; state: string };
  failed?: ScaleSeedError;
}

/** What the fleets of a run share. */
interface Run extends RunOfSteps {
  sessions: Sessions;
  patience: Patience;
  jobs: number;
}

const STOPPED = new DOMException('another fixture failed', 'AbortError');

/** A fleet for each schema; where there are several, its events say whose they are. */
export function fleetsIn<Result>(
  context: RunContext,
  schemas: readonly (string | undefined)[],
): Fleet<Result>[] {
  const several = schemas.length > 1;
  return schemas.map((schema) => ({
    schema,
    context: several ? inSchema(context, schema) : context,
    tasks: [],
  }));
}

/** Holds the tables of each fleet against what the fixtures need. */
export async function prepareFleets<Result>(
  { sessions, patience, jobs, server }: Run,
  fleets: readonly Fleet<Result>[],
  fixtures: readonly Fixture[],
  needs: Needs,
): Promise<void> {
  await sessions.each(fleets, jobs, async (fleet, take) => {
    try {
      const prepared = await patience.until(async () => {
        const session = await take();
        session.onWait = fleet.context.onNotice;
        return tryAgain(fleet.context.onNotice, () =>
          session.transaction(() => prepareSchema({ ...fleet, session, server }, fixtures, needs), {
            reads: needs.parents !== 'create',
          }),
        );
      });
      fleet.tasks = prepared.map((one) => ({ prepared: one }));
    } catch (error) {
      fleet.failed = unchanged(error);
      announceEnd(fleet, fleets);
    }
  });
}

/**
 * Works on the fixtures of all fleets, in order, as many at once as there are sessions; `inTurn`, and where some refer to
 * others, those of one fleet one after the other. With `stop`, the first that fails ends the others.
 */
export async function workOnFleets<Result>(
  run: Run,
  fleets: readonly Fleet<Result>[],
  { inTurn, stop, ...order }: { inTurn: boolean; stop: boolean; backwards?: boolean },
  work: (step: Step) => Promise<Result>,
): Promise<void> {
  const turns = fleets.flatMap((fleet) => {
    if (fleet.failed !== undefined) return [];
    const prepared = fleet.tasks.map((task) => task.prepared);
    const turns = turnsOf(prepared, order);
    const tasks = turns.reversed ? fleet.tasks.toReversed() : fleet.tasks;
    return inTurn || turns.inTurn ? [{ fleet, tasks }] : tasks.map((task) => ({ fleet, tasks: [task] }));
  });
  await run.sessions.each(turns, run.jobs, async ({ fleet, tasks }, take) => {
    const { context } = fleet;
    for (const task of tasks) {
      try {
        task.done = await takeStep({ context, session: await take() }, run, task.prepared, work);
      } catch (error) {
        task.failed = translateError(error, { phase: 'connect' });
        if (stop) context.abort(STOPPED);
      }
    }
    announceEnd(fleet, fleets);
  });
}

/** The error of what was tried before anything was changed. */
export function unchanged(error: unknown): ScaleSeedError {
  const known = translateError(error, { phase: 'prepare' });
  return known.with({ state: known.state ?? UNCHANGED });
}

/** What failed, fleet by fleet, with what stands of each of its fixtures; what was only stopped because of it is no failure of its own. */
export function failuresOf<Result>(fleets: readonly Fleet<Result>[]): Failure[] {
  return fleets.flatMap((fleet) =>
    errorsOf(fleet).map((error) => ({ schema: fleet.schema ?? null, ...stated(fleet, error).toJSON() })),
  );
}

/** The first error of a fleet, with what stands of each of its fixtures. */
export function errorOf<Result>(fleet: Fleet<Result>): ScaleSeedError | undefined {
  const [error] = errorsOf(fleet);
  return error && stated(fleet, error);
}

/** An error of a fleet's, with what stands of each of its fixtures. */
export function stated<Result>({ tasks }: Fleet<Result>, error: ScaleSeedError): ScaleSeedError {
  return tasks.length === 0 ? error : error.with({ state: describeStates(tasks) });
}

function errorsOf<Result>({ failed, tasks }: Fleet<Result>): ScaleSeedError[] {
  const errors = [failed, ...tasks.map((task) => task.failed)].filter((error) => error !== undefined);
  return errors.filter(({ cause }) => cause !== STOPPED);
}

/** Every fixture with what stands of it, those of one state together. */
function describeStates<Result>(tasks: readonly Task<Result>[]): string {
  const stateOf = ({ prepared, done, failed }: Task<Result>): string =>
    done?.state ?? failed?.state ?? untouched(prepared);
  return [...new Set(tasks.map(stateOf))]
    .map((state) => {
      const names = tasks
        .filter((task) => stateOf(task) === state)
        .map(({ prepared }) => prepared.fixture.name);
      return `${names.join(', ')}: ${state}`;
    })
    .join('; ');
}

function inSchema({ onEvent: tell, ...rest }: RunContext, schema = ''): RunContext {
  const onEvent: RunContext['onEvent'] = (event) => {
    tell({ ...event, schema });
  };
  const onNotice = (message: string): void => {
    onEvent({ type: 'notice', message: `${schema}: ${message}` });
  };
  return { ...rest, onEvent, onNotice };
}

/** Says that a fleet of several is through, once all of its fixtures are. */
function announceEnd<Result>(fleet: Fleet<Result>, fleets: readonly Fleet<Result>[]): void {
  const { schema, context } = fleet;
  if (fleets.length === 1 || schema === undefined || !isOver(fleet)) return;
  context.onEvent({ type: 'end', schema });
  const what = errorsOf(fleet).length > 0 ? 'failed' : 'done';
  context.onNotice(`${what} (${fleets.filter(isOver).length} of ${fleets.length})`);
}

function isOver<Result>({ failed, tasks }: Fleet<Result>): boolean {
  return failed !== undefined || (tasks.length > 0 && tasks.every((task) => task.done ?? task.failed));
}
