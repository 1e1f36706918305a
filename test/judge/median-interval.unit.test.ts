import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateMedian } from '../../src/judge/median-interval.js';
import { seededRandom } from '../../bench/statistics.js';

const samples = fc.array(fc.double({ min: 0.01, max: 1000, noNaN: true }), { minLength: 1, maxLength: 40 });

describe('the interval of a median', () => {
  it.each([
    [1, 0.0, 1, 1],
    [3, 0.75, 1, 3],
    [5, 0.9375, 1, 5],
    [6, 0.96875, 1, 6],
    [8, 0.9921875, 1, 8],
    [9, 0.9609375, 2, 8],
    [12, 0.9614258, 3, 10],
    [15, 0.9648438, 4, 12],
    [30, 0.9572261, 10, 21],
  ])('of %i samples holds it with probability %f', (count, confidence, low, high) => {
    const estimate = estimateMedian(Array.from({ length: count }, (_, i) => count - i));
    expect(estimate.interval).toEqual([low, high]);
    expect(estimate.median).toBe((count + 1) / 2);
    expect(estimate.confidence).toBeCloseTo(confidence, 6);
  });

  it('lies around the median, whatever the samples and their order', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.1, max: 10, noNaN: true }), (values, factor) => {
        const { median, interval, confidence } = estimateMedian(values);
        expect(interval[0]).toBeLessThanOrEqual(median);
        expect(interval[1]).toBeGreaterThanOrEqual(median);
        expect(confidence >= 0.95).toBe(values.length >= 6);
        expect(estimateMedian([...values].reverse())).toEqual({ median, interval, confidence });
        expect(estimateMedian(values.map((value) => value * factor)).interval).toEqual(
          interval.map((end) => end * factor),
        );
      }),
    );
  });

  it('is not moved by one outlier once there are nine samples', () => {
    const nine = [9, 10, 10, 11, 11, 12, 12, 13, 14];
    expect(estimateMedian([...nine.slice(0, 8), 1000]).interval).toEqual(estimateMedian(nine).interval);
  });

  it('holds the true median as often as it says, for noise with a heavy tail', () => {
    const random = seededRandom(1);
    const pareto = (): number => 1 / random();
    let held = 0;
    for (let i = 0; i < 2000; i++) {
      const [low, high] = estimateMedian(Array.from({ length: 9 }, pareto)).interval;
      if (low <= 2 && 2 <= high) held += 1;
    }
    expect(held / 2000).toBeGreaterThan(0.95);
  });
});
