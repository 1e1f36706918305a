import { during, hasState, refusal } from '../errors.js';
import { loadFixture } from '../merge/load-fixture.js';
import type { RatioMeasurement, RatioRound } from '../report/result.js';
import type { RunContext } from '../run/context.js';
import { withHeadStart } from '../run/head-start.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import type { OnTable } from '../run/step.js';
import { withSession } from '../run/sessions.js';
import { stopwatch } from '../report/clock.js';
import { translateError } from '../postgres/translate-error.js';
import { estimateMedian } from './median-interval.js';
import { ratiosOf, takeRounds, type Wanted } from './ratio-rounds.js';
import { requireCreate, withScratchSchema } from './scratch-schema.js';
import { setUpScratch, requireCopyable, type RealLoad, type ScratchTables } from './scratch-tables.js';

interface TimedLoad {
  ms: number;
  rows: number;
}

/** Measures our load against the reference load, turn by turn, so that whatever slows the machine down slows both. */
export function measureRatio(context: RunContext, load: RealLoad, wanted: Wanted): Promise<RatioMeasurement> {
  const total = stopwatch();
  return withScratchSchema(context, async (schema) => {
    context.onNotice(`measuring against the reference load in schema ${schema}`);
    // Nobody idles while others are at work: a server may end such sessions.
    const tables = await withSession(context, (session) => setUpScratch(session, load, schema));
    const rounds = await takeRounds(
      wanted,
      (round) => {
        context.onEvent({ type: 'measure', round });
        return takeRound(context, tables, round % 2 === 1);
      },
      (count) => {
        context.onNotice(`${count} rounds were over the limit: fresh ones must confirm it`);
      },
    );
    return {
      ...estimateMedian(ratiosOf(rounds)),
      oursMs: estimateMedian(rounds.map(({ oursMs }) => oursMs)).median,
      referenceMs: estimateMedian(rounds.map(({ referenceMs }) => referenceMs)).median,
      rounds,
      references: tables.references.map(({ fixture, source }) => ({ fixture, source })),
      leftOut: tables.leftOut,
      totalMs: total(),
    };
  }).catch((error: unknown) => {
    throw whileMeasured(error);
  });
}

/** Holds a table against what the measurement needs, as far as that can be known before anything is loaded. */
export async function requireMeasurable({ session, fixture, table }: OnTable): Promise<void> {
  await requireCreate(session);
  await requireCopyable(session, [fixture], [table]);
}

/** One load of each kind; which comes first alternates, in case that matters. */
async function takeRound(
  context: RunContext,
  tables: ScratchTables,
  oursFirst: boolean,
): Promise<Omit<RatioRound, 'confirming'>> {
  const afresh = async (load: typeof loadOurs): Promise<TimedLoad> => {
    await withSession(context, tables.empty);
    return load(context, tables);
  };
  const early = await afresh(oursFirst ? loadOurs : loadReference);
  const late = await afresh(oursFirst ? loadReference : loadOurs);
  const [ours, reference] = oursFirst ? [early, late] : [late, early];
  // A load that leaves rows out must not win.
  if (ours.rows !== reference.rows) {
    const message = `the reference load inserted ${reference.rows} rows where ours inserted ${ours.rows}`;
    const hint = "check the fixtures' formulas: they must give the rows that `rows` gives";
    throw refusal(message, hint, { code: 'fixture', phase: 'measure' });
  }
  return { oursMs: ours.ms, referenceMs: reference.ms };
}

/** Loads the fixtures into the copied tables in just the way in which they were loaded into the real ones. */
async function loadOurs(context: RunContext, tables: ScratchTables): Promise<TimedLoad> {
  const { fixtures, schema, report } = tables;
  const { mode, jobs } = report;
  const quiet = { ...context, onEvent: () => undefined };
  const options = { fixtures, schemas: [schema], jobs };
  const { base, fixtures: loaded } = await runOnFixtures(quiet, options, {
    survey: true,
    privileges: ['select', 'insert'],
    work: withHeadStart((step) => {
      const real = report.fixtures.find(({ name }) => name === step.fixture.name)!;
      // What kept the real table's foreign keys from being checked by set may be missing in its copy.
      const mayReplicate = step.server.mayReplicate && real.foreignKeys.check === 'set';
      const alike = { ...step, server: { ...step.server, mayReplicate } };
      // Nobody else knows the tables, so no lock is waited for.
      return loadFixture(alike, { mode, lockTimeoutMs: 0 });
    }),
  });
  return { ms: base.timings.workMs, rows: loaded.reduce((sum, { inserted }) => sum + inserted, 0) };
}

/** Runs the reference load as a script would: one session, a transaction a fixture. */
function loadReference(context: RunContext, { references }: ScratchTables): Promise<TimedLoad> {
  return withSession(context, async (session) => {
    const loading = stopwatch();
    let rows = 0;
    for (const { fixture, sql } of references) {
      const inserting = session.transaction(() => session.query(sql));
      const { rowCount } = await inserting.catch((error: unknown) => {
        // Of its SQL, the formulas are the user's own; what ends the session is no fault of theirs.
        if (!hasState(error, /^(22|23|42)/)) throw error;
        const own = { code: 'fixture', phase: 'measure', hint: "check the fixture's formulas" } as const;
        throw during(error, `cannot make the reference load of ${fixture}`, { ...own, fixture });
      });
      rows += rowCount ?? 0;
    }
    return { ms: loading(), rows };
  });
}

/** What ends the measurement is no failure of the fixture's own load, whose steps it repeats. */
function whileMeasured(error: unknown): unknown {
  const [phase, what] = ['measure', 'while the load was measured'] as const;
  const known = translateError(error, { phase, during: what });
  return known.phase === phase ? known : during(known, what, { phase });
}
