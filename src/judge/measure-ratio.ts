import { withScratchSchema } from './scratch-schema.js';
import { Session } from '../postgres/session.js';
import type { RunContext } from '../run/context.js';
import { ScaleSeedError } from '../errors.js';
import { estimateMedian } from './median-interval.js';
import { ratiosOf, takeRounds, type Wanted } from './ratio-rounds.js';
import type { RatioMeasurement, RatioRound } from '../report/result.js';
import { stopwatch } from '../run/stopwatch.js';
import { loadOurs, loadReference, type TimedLoad } from './loads.js';
import { furnish, type ScratchTables, type RealLoad } from './scratch-tables.js';

/**
 * Measures our load of the fixtures against the reference load of the same rows: both into empty copies of the tables in
 * a scratch schema, turn by turn, so that whatever slows the machine down slows both.
 */
export function measureRatio(context: RunContext, load: RealLoad, wanted: Wanted): Promise<RatioMeasurement> {
  const total = stopwatch();
  return withScratchSchema(context, async (schema) => {
    const session = await Session.open(context.target, context.signal);
    try {
      context.onNotice(`measuring against the reference load in schema ${schema}`);
      const tables = await furnish(session, load, schema);
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
      const { references, leftOut } = tables;
      const medianOf = (time: 'oursMs' | 'referenceMs'): number =>
        estimateMedian(rounds.map((round) => round[time])).median;
      return {
        ...estimateMedian(ratiosOf(rounds)),
        oursMs: medianOf('oursMs'),
        referenceMs: medianOf('referenceMs'),
        rounds,
        references,
        leftOut,
        totalMs: total(),
      };
    } finally {
      await session.close();
    }
  });
}

/** One load of each kind; which comes first alternates, in case that matters. */
async function takeRound(
  context: RunContext,
  tables: ScratchTables,
  oursFirst: boolean,
): Promise<Omit<RatioRound, 'confirming'>> {
  const afresh = async (load: typeof loadOurs): Promise<TimedLoad> => {
    await tables.empty();
    return load(context, tables);
  };
  const early = await afresh(oursFirst ? loadOurs : loadReference);
  const late = await afresh(oursFirst ? loadReference : loadOurs);
  const [ours, reference] = oursFirst ? [early, late] : [late, early];
  if (ours.rows !== reference.rows) throw unequal(ours, reference);
  return { oursMs: ours.ms, referenceMs: reference.ms };
}

/** A load that leaves rows out must not win. */
function unequal(ours: TimedLoad, reference: TimedLoad): ScaleSeedError {
  return new ScaleSeedError(
    `the reference load inserted ${reference.rows} rows where ours inserted ${ours.rows}`,
    {
      code: 'fixture',
      phase: 'measure',
      hint: "check the fixtures' formulas: they must give the rows that `rows` gives",
    },
  );
}
