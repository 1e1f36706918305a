import { reachServer } from './prepare.js';
import { translateError } from '../postgres/translate-error.js';
import { cancellation, withDatabase, type Database } from './with-database.js';
import { ScaleSeedError, withState } from '../errors.js';
import { jobsOf } from './jobs.js';
import type { FixtureOptions } from './options.js';
import type { Fleet, FleetsReport, OneFleetReport } from '../report/result.js';
import { stopwatch } from './stopwatch.js';
import { reportBase } from './run.js';

/** A command's options for many schemas in place of one. */
export type OnSchemas<Options extends FixtureOptions> = Omit<Options, 'schema' | 'jobs'> & {
  /** Each holds the tables of a fleet; none is created. */
  schemas: readonly string[];
  /** Schemas at work at once, each on one session; as many as there are cores by default, and two at least. */
  jobs?: number | undefined;
};

/** What differs from schema to schema. */
type Place = Required<Pick<FixtureOptions, 'schema' | 'waitMs'>>;

/**
 * Does a command's work in many schemas, some of them at a time. What fails in one is that one's result, and the others go
 * on.
 *
 * @throws ScaleSeedError for what concerns all of them: `usage` where no schema is named, `connect` where the server cannot
 *   be reached to begin with.
 */
export async function onSchemas<Report extends OneFleetReport>(
  command: Report['command'],
  options: OnSchemas<FixtureOptions>,
  work: (database: Database, place: Place) => Promise<Report>,
): Promise<FleetsReport<Report>> {
  const { schemas, waitMs = 0 } = options;
  const jobs = jobsOf(options.jobs);
  return withDatabase(options, async (database) => {
    if (schemas.length === 0) throw noSchema();
    const startedAt = new Date().toISOString();
    const total = stopwatch();
    const deadline = performance.now() + waitMs;
    const version = await reachServer(database, waitMs);
    const connectMs = total();
    const fleets: Fleet<Report>[] = [];
    await eachOf(database, schemas, jobs, async (schema, index) => {
      // What one schema has waited for is not waited for again by the next.
      const place = { schema, waitMs: Math.max(0, deadline - performance.now()) };
      fleets[index] = await workOnFleet(database, schema, (own) => work(own, place));
      announce(database, fleets[index], `${Object.keys(fleets).length} of ${schemas.length}`);
    });
    const base = reportBase(database, startedAt, version);
    return { ...base, command, jobs, fleets, timings: { connectMs, totalMs: total() } };
  });
}

/** Calls `work` for each item, `jobs` at a time, started in order. That it rejects is a bug, and ends all. */
async function eachOf<Item>(
  { abort }: Database,
  items: readonly Item[],
  jobs: number,
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) await work(item, index);
  };
  const workers = Array.from({ length: Math.min(jobs, items.length) }, () =>
    worker().catch((error: unknown) => {
      abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  await Promise.all(workers);
}

/** One schema's turn: what ends it early ends no other, and its events say whose they are. */
async function workOnFleet<Report extends OneFleetReport>(
  { target, signal: whole, onEvent: tell }: Database,
  schema: string,
  work: (database: Database) => Promise<Report>,
): Promise<Fleet<Report>> {
  if (whole.aborted) {
    const error = translateError(whole.reason, { phase: 'connect' });
    return { schema, error: withState(error, 'nothing was changed') };
  }
  const { signal, abort, release } = cancellation({ signal: whole });
  const onNotice = (message: string): void => {
    tell({ type: 'notice', schema, message: `${schema}: ${message}` });
  };
  const onEvent: Database['onEvent'] = (event) => {
    if (event.type === 'notice') onNotice(event.message);
    else if (event.type !== 'confirmation') tell({ ...event, schema });
  };
  try {
    return { schema, report: await work({ target, signal, abort, onEvent, onNotice }) };
  } catch (error) {
    return { schema, error: translateError(error, { phase: 'connect' }) };
  } finally {
    release();
  }
}

/** Says that a schema is through, and after that the lines that are looked for in a log, which name none. */
function announce({ onEvent, onNotice }: Database, fleet: Fleet<OneFleetReport>, count: string): void {
  const { schema, report } = fleet;
  onEvent({ type: 'end', schema });
  onNotice(`schema ${schema}: ${report === undefined ? 'failed' : 'done'} (${count})`);
  if (report?.command !== 'load') return;
  for (const { name, confirmation } of report.fixtures) {
    onEvent({ type: 'confirmation', fixture: name, schema, line: confirmation });
  }
}

function noSchema(): ScaleSeedError {
  return new ScaleSeedError('no schema is named', {
    code: 'usage',
    phase: 'configure',
    hint: 'name some, or leave them out to work on the search_path',
  });
}
