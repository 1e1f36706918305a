import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateMedian } from '../../src/judge/median-interval.js';
import { ratiosOf, takeRounds, type Wanted } from '../../src/judge/ratio-rounds.js';
import { everyColumn } from '../../src/report/units.js';
import type { CiReport, Failure, RatioRound, Verdict } from '../../src/report/result.js';
import { judge, wantedOf, type Criteria } from '../../src/judge/verdict.js';
import { ciReport, noOpReport, measurementOf, roundsOf, verifiedFixture } from '../support/ci-report.js';
import { seededRandom } from '../../bench/statistics.js';

const criteria = (given: Partial<Criteria> = {}): Criteria => ({ maxRegressionPercent: 20, ...given });

const drifted = ciReport({
  verified: {
    ...ciReport().verified,
    intact: false,
    fixtures: [
      verifiedFixture({ intact: false, driftedRows: 3, missing: { rows: 4, examples: [], blocked: null } }),
    ],
  },
});

const withRounds = (rounds: RatioRound[]): CiReport => ciReport({ reference: measurementOf(rounds) });

/** Outcome of the whole, and of each check. */
function summary({ outcome, checks }: Verdict): string[] {
  return [outcome, ...checks.map((check) => `${check.name} ${check.outcome}`)];
}

describe('a verdict', () => {
  it('without criteria is whether the rows stand', () => {
    expect(summary(judge(ciReport(), criteria()))).toEqual(['pass', 'verify pass']);
    const verdict = judge(drifted, criteria());
    expect(summary(verdict)).toEqual(['drift', 'verify fail']);
    expect(verdict.checks[0]).toMatchObject({ measured: 7, reason: '01_bulk_renewal_certs drifted' });
  });

  it('speaks of every column where all of them were compared', () => {
    expect(everyColumn([{ notCompared: [] }])).toBe('every column');
    expect(everyColumn([{ notCompared: [] }, { notCompared: ['at'] }])).toBe('every compared column');
  });

  it('is drift whatever the times are, and then nothing was measured', () => {
    expect(summary(judge(drifted, criteria({ budgetMs: 1, budgetRatio: 0.9 })))).toEqual([
      'drift',
      'verify fail',
      'budget fail',
      'budget-ratio skipped',
    ]);
  });

  it.each([
    [400, 'pass', 'pass'],
    [399.9, 'over budget', 'fail'],
  ])('holds the load time against a budget of %f ms', (budgetMs, outcome, check) => {
    expect(summary(judge(ciReport(), criteria({ budgetMs })))).toEqual([
      outcome,
      'verify pass',
      `budget ${check}`,
    ]);
  });

  it('says that a load had nothing to do', () => {
    expect(judge(noOpReport(), criteria({ budgetMs: 8000 })).checks[1]).toMatchObject({
      outcome: 'pass',
      reason: 'every row stood already: nothing was loaded, and this is the time of the look',
    });
  });
});

describe('a budget of time', () => {
  it.each([
    [1000, 'pass', 'the load took no longer than it may, where 9,995 of 10,000 rows stood already'],
    [1, 'fail', 'the load took longer than it may, where 9,995 of 10,000 rows stood already: 01_bulk'],
  ])('of %i ms says how many rows the load found standing', (budgetMs, outcome, begins) => {
    const [fixture] = ciReport().fixtures;
    const part = ciReport({ fixtures: [{ ...fixture!, inserted: 5, skipped: 9_995 }] });
    const check = judge(part, criteria({ budgetMs })).checks[1];
    expect(check?.outcome).toBe(outcome);
    expect(check?.reason.startsWith(begins)).toBe(true);
  });
});

describe('what was not loaded, or not verified,', () => {
  const [fixture] = ciReport().fixtures;
  const { rows } = fixture!;
  const counts = (skipped: number, blocked: number) => ({
    ...fixture!,
    ...{ inserted: rows - skipped - blocked, skipped, blocked, present: rows - blocked },
  });
  const failure = (schema: string, phase: 'prepare' | 'merge' | 'verify'): Failure => ({
    ...{ schema, code: 'server', phase, message: `lost in ${phase}` },
  });
  const verified = (...failures: Failure[]) => ({ ...ciReport().verified, intact: false, failures });
  const [absent, lost] = [failure('red', 'prepare'), failure('public', 'verify')];

  it.each<[string, Partial<CiReport>, string | RegExp]>([
    ['all rows blocked', { fixtures: [counts(0, rows)] }, '10,000 rows could not be added'],
    ['one blocked, the others standing', { fixtures: [counts(rows - 1, 1)] }, '1 row could not be added'],
    [
      'all schemas failed',
      { fixtures: [], failures: [absent], verified: verified(absent) },
      '1 schema failed',
    ],
    [
      'a schema failed in the load alone, and rows are blocked',
      { fixtures: [counts(0, 2)], failures: [failure('public', 'merge'), absent] },
      '2 rows could not be added, 2 schemas failed',
    ],
    [
      'the verification failed',
      { failures: [lost], verified: verified(lost) },
      /^the load took no longer than it may$/,
    ],
    ['nothing', { fixtures: [counts(rows, 0)] }, /^every row stood already: /],
  ])('with %s decides whether the time is judged', (_, changes, said) => {
    const check = judge(ciReport(changes), criteria({ budgetMs: 8000 })).checks[1]!;
    const skipped = typeof said === 'string';
    expect(check.outcome).toBe(skipped ? 'skipped' : 'pass');
    if (skipped) expect(check.reason).toBe(`what was loaded is not the fleet: ${said}`);
    else expect(check.reason).toMatch(said);
  });

  it.each<[string, Failure[], Failure[], string]>([
    ['the load', [absent], [absent], 'what failed to load was not verified'],
    ['the verification', [lost], [lost], 'the verification of public failed'],
    [
      'the load of one fixture, then the verification',
      [failure('public', 'merge'), lost],
      [lost],
      'what failed to load was not verified',
    ],
    [
      'either in one schema',
      [absent, lost],
      [absent, lost],
      'what failed to load was not verified; the verification of public failed',
    ],
  ])('is told apart where %s failed', (_, failures, ofVerify, reason) => {
    const verdict = judge(ciReport({ failures, verified: verified(...ofVerify) }), criteria());
    expect(verdict).toMatchObject({ outcome: 'failed', checks: [{ outcome: 'fail', reason }] });
  });
});

describe('a budget in times of the reference', () => {
  const over = [1, 1.1, 1.2, 1.3, 1.4, 1.5];

  it.each<[string, RatioRound[], string, string]>([
    ['passes within it', roundsOf([0.4, 0.5, 0.6, 0.7, 0.8, 0.9]), 'pass', 'pass'],
    ['does not fail by one round', roundsOf([0.4, 0.5, 0.6, 0.7, 0.8, 0.91]), 'pass', 'inconclusive'],
    ['does not fail unconfirmed', roundsOf(over), 'pass', 'inconclusive'],
    [
      'does not fail where fresh rounds disagree',
      [...roundsOf(over), ...roundsOf([0.9, 1.1, 1.2, 1.3, 1.4, 1.5], true)],
      'pass',
      'inconclusive',
    ],
    ['fails where fresh rounds agree', [...roundsOf(over), ...roundsOf(over, true)], 'over budget', 'fail'],
  ])('%s', (_, rounds, outcome, check) => {
    expect(summary(judge(withRounds(rounds), criteria({ budgetRatio: 0.9 })))).toEqual([
      outcome,
      'verify pass',
      `budget-ratio ${check}`,
    ]);
  });

  it.each<[string[], string]>([
    [[], ''],
    [['trigger slow of agents'], '; measured without trigger slow of agents'],
    [
      ['trigger slow of agents', 'row security of own'],
      '; measured without trigger slow of agents, row security of own',
    ],
  ])('says what the copies lack: %j', (leftOut, ending) => {
    const reference = { ...measurementOf(roundsOf([0.4, 0.5, 0.6, 0.7, 0.8, 0.9])), leftOut };
    const given = criteria({ budgetRatio: 0.9, baseline: ciReport({ reference }) });
    const [, ...checks] = judge(ciReport({ reference }), { ...given, maxRegressionPercent: 500 }).checks;
    expect(checks.map(({ reason }) => reason)).toEqual([
      `the interval of 6 rounds is within the limit${ending}`,
      expect.stringMatching(/ is within the limit/),
    ]);
    for (const { reason } of checks) expect(reason.endsWith(ending)).toBe(true);
  });

  it('fails only where the whole interval that it shows is over the limit, and passes only where it is within', async () => {
    const ratio = fc.double({ min: 0.5, max: 1.5, noNaN: true });
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(ratio), ratio, async (stream, limit) => {
        const rounds = await takeRounds({ limits: [limit], widthPercent: Infinity }, () =>
          Promise.resolve({ oursMs: (stream.next().value as number) * 1000, referenceMs: 1000 }),
        );
        const check = judge(withRounds(rounds), criteria({ budgetRatio: limit })).checks[1]!;
        const [low, high] = check.interval!;
        if (check.outcome === 'fail') expect(low).toBeGreaterThan(limit);
        if (check.outcome === 'pass') expect(high).toBeLessThanOrEqual(limit);
        expect(rounds.length).toBeGreaterThanOrEqual(6);
        expect(rounds.length).toBeLessThanOrEqual(30);
        expect(rounds.some(({ confirming }) => confirming) || check.outcome !== 'fail').toBe(true);
      }),
    );
  });
});

describe('rounds', () => {
  const limit = 0.9;

  /** Share of measurements that end red, and how many rounds they take, where noise has a heavy tail on both sides. */
  async function simulate(trueRatio: number, measurements: number): Promise<{ red: number; rounds: number }> {
    const random = seededRandom(7);
    // One load in twenty is held up for as long as it takes.
    const time = (): number => 1 + 0.3 * random() + (random() < 0.05 ? random() : 0);
    let [red, rounds] = [0, 0];
    for (let i = 0; i < measurements; i++) {
      const taken = await takeRounds({ limits: [limit], widthPercent: Infinity }, () =>
        Promise.resolve({ oursMs: trueRatio * time(), referenceMs: time() }),
      );
      rounds += taken.length;
      const { outcome } = judge(withRounds(taken), criteria({ budgetRatio: 0.9 }));
      if (outcome === 'over budget') red += 1;
    }
    return { red: red / measurements, rounds: rounds / measurements };
  }

  it('are few where it is clear', async () => {
    expect(await simulate(0.4, 200)).toEqual({ red: 0, rounds: 6 });
  });

  it('never condemn what is a little within the limit', async () => {
    expect((await simulate(0.8, 1000)).red).toBe(0);
  });

  it('hardly ever condemn what is on the limit', async () => {
    expect((await simulate(0.9, 1000)).red).toBeLessThan(0.01);
  });

  it('always condemn what is well over it', async () => {
    const { red, rounds } = await simulate(1.8, 500);
    expect(red).toBe(1);
    expect(rounds).toBeLessThan(14);
  });

  it('catch a regression of 40 % where 20 % are allowed, and nothing where nothing has changed', async () => {
    const random = seededRandom(3);
    const time = (): number => 1 + 0.2 * random() + (random() < 0.05 ? random() : 0);
    const measure = (ratio: number, wanted: Wanted) =>
      takeRounds(wanted, () => Promise.resolve({ oursMs: ratio * time(), referenceMs: time() }));
    const caught = { 0.5: 0, 0.7: 0 };
    for (let i = 0; i < 200; i++) {
      const rounds = await measure(0.5, { limits: [0.9], widthPercent: 20 });
      const { median, interval } = estimateMedian(ratiosOf(rounds));
      const baseline = ciReport({ reference: measurementOf(rounds, median, interval) });
      const given = criteria({ budgetRatio: 0.9, baseline, maxRegressionPercent: 20 });
      for (const ratio of [0.5, 0.7] as const)
        if (judge(withRounds(await measure(ratio, wantedOf(given)!)), given).outcome === 'regressed')
          caught[ratio] += 1;
    }
    expect(caught[0.5]).toBe(0);
    expect(caught[0.7]).toBeGreaterThan(170);
  });

  it('must be confirmed by fresh ones, of which the caller is told', async () => {
    const told: number[] = [];
    const asked: number[] = [];
    const rounds = await takeRounds(
      { limits: [limit], widthPercent: 20 },
      (round) => {
        asked.push(round);
        return Promise.resolve({ oursMs: 2, referenceMs: 1 });
      },
      (count) => told.push(count),
    );
    expect(told).toEqual([6]);
    expect(asked).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(rounds.map(({ confirming }) => confirming)).toEqual([
      ...Array.from({ length: 6 }, () => false),
      ...Array.from({ length: 6 }, () => true),
    ]);
  });
});

describe('a comparison with an earlier run', () => {
  const measured = (ratio: number, confirming = false): RatioRound[] =>
    roundsOf(
      [0.98, 0.99, 1, 1, 1.01, 1.02].map((share) => share * ratio),
      confirming,
    );
  const baseline = ciReport({ reference: measurementOf(measured(0.5), 0.5, [0.49, 0.51]) });
  const given = criteria({ budgetRatio: 5, baseline });

  it('is by ratios where both runs have one', () => {
    const rounds = [...measured(0.7), ...measured(0.7, true)];
    const verdict = judge(withRounds(rounds), given);
    expect(summary(verdict)).toEqual([
      'regressed',
      'verify pass',
      'budget-ratio pass',
      'max-regression fail',
    ]);
    const { measured: percent, interval, reason } = verdict.checks[2]!;
    expect(percent).toBeCloseTo(40);
    expect(interval![0]).toBeGreaterThan(20);
    expect(reason).toMatch(/^ratios to the reference load were compared, 0.50 then, 0.70 now: /);
  });

  it.each([
    [0.5, 'pass'],
    [0.57, 'pass'],
    [0.585, 'pass'],
    [0.6, 'inconclusive'],
    [0.61, 'inconclusive'],
  ])('at a ratio of %f is %s', (ratio, outcome) => {
    expect(judge(withRounds(measured(ratio)), given).checks[2]?.outcome).toBe(outcome);
  });

  it('asks for rounds until both limits are settled', () => {
    expect(wantedOf(given)).toEqual({ limits: [5, 0.6], widthPercent: 20 });
    expect(wantedOf(criteria({ baseline }))).toEqual({ limits: [0.6], widthPercent: 20 });
    expect(wantedOf(criteria({ budgetMs: 1 }))).toBeUndefined();
  });

  it('takes more rounds for a narrow interval, up to a limit', async () => {
    const take = (ratios: readonly number[], limits: number[] = []) => {
      let round = 0;
      return takeRounds({ limits, widthPercent: 20 }, () =>
        Promise.resolve({ oursMs: ratios[round++ % ratios.length]!, referenceMs: 1 }),
      );
    };
    expect(await take([0.5, 0.51, 0.52])).toHaveLength(6);
    expect((await take([0.4, 0.8, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])).length).toBeLessThan(15);
    expect(await take([0.4, 0.8])).toHaveLength(45);
    // What is over a limit needs no narrow interval: six rounds, and six that confirm it.
    expect(await take([0.4, 0.8], [0.3])).toHaveLength(12);
  });

  it.each([
    ['has no ratio', {}, /^the baseline has no ratio to a reference load; take this run's report/],
    [
      'is as wide as all that is allowed',
      { reference: measurementOf(measured(0.5), 0.5, [0.44, 0.83]) },
      /^the baseline's ratio is only known to be from 0.44 to 0.83, .* new baseline$/,
    ],
  ])('with a baseline that %s tells nothing, and says what to do', (_, changes, reason) => {
    const rounds = [...measured(0.9), ...measured(0.9, true)];
    const verdict = judge(withRounds(rounds), criteria({ baseline: ciReport(changes) }));
    expect(summary(verdict)).toEqual(['pass', 'verify pass', 'max-regression inconclusive']);
    expect(verdict.checks[1]).toMatchObject({
      reason: expect.stringMatching(reason) as string,
      measured: null,
    });
  });

  it('that could not be measured is inconclusive, and says why', () => {
    const run = { ...ciReport(), unmeasured: 'the role may not' };
    const verdict = judge(run, criteria({ baseline }));
    expect(summary(verdict)).toEqual(['pass', 'verify pass', 'max-regression inconclusive']);
    expect(verdict.checks[1]?.reason).toBe('the role may not');
  });
});
