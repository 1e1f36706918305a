import type { TopLevelSpec } from 'vega-lite';
import { estimateMedian } from '../../src/judge/median-interval.js';
import type { BenchResult, SizeResult } from '../result.js';
import { REFERENCE } from '../summarize.js';

/** Text and axes take the page's own colour, so that a chart reads in light and in dark. */
const CONFIG = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: 'transparent' },
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    tickColor: '#8888',
    domainColor: '#8888',
    gridColor: '#8883',
    labelFontSize: 12,
    labelLimit: 200,
  },
  legend: { labelColor: 'currentColor', titleColor: 'currentColor', orient: 'bottom' },
} as const;

const COLORS = {
  domain: ['scale-seed', 'reference', 'other', 'floor'],
  range: ['#2a9d5c', '#d1495b', '#5b7fb9', '#9a9a9a'],
};

function kindOf(name: string, floor: boolean): string {
  if (floor) return 'floor';
  if (name.startsWith(REFERENCE)) return 'reference';
  return ['online', 'exclusive', 'parts', 'online-process'].includes(name) ? 'scale-seed' : 'other';
}

/** The rerun loads no row, so its throughput would dwarf everything. */
function comparable({ paths }: SizeResult): SizeResult['paths'] {
  return paths.filter(({ name }) => name !== 'rerun');
}

/** Rows per second by path, with intervals. */
export function throughputChart(size: SizeResult): TopLevelSpec {
  const values = comparable(size).map(({ name, floor, time, ratio }) => ({
    path: name,
    kind: kindOf(name, floor),
    rate: size.rows / (time.median / 1000),
    low: size.rows / (time.interval[1] / 1000),
    high: size.rows / (time.interval[0] / 1000),
    label: ratio === undefined ? '' : `${ratio.median.toFixed(2)} of ${ratio.to}`,
  }));
  const order = [...values].sort((a, b) => b.rate - a.rate).map(({ path }) => path);
  const y = {
    field: 'path',
    type: 'nominal',
    sort: order,
    title: null,
  } as const;
  return {
    config: CONFIG,
    width: 620,
    height: { step: 26 },
    data: { values },
    layer: [
      {
        mark: { type: 'bar', cornerRadiusEnd: 2 },
        encoding: {
          y,
          x: { field: 'rate', type: 'quantitative', title: 'rows per second', axis: { format: '~s' } },
          color: { field: 'kind', type: 'nominal', scale: COLORS, title: null },
        },
      },
      {
        mark: { type: 'rule', color: 'currentColor', strokeWidth: 1.5 },
        encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 8, color: 'currentColor', fontSize: 11 },
        encoding: { y, x: { field: 'high', type: 'quantitative' }, text: { field: 'label' } },
      },
    ],
  };
}

/** Where the time of a load goes: medians of each phase, stacked. */
export function phaseChart(size: SizeResult): TopLevelSpec {
  const values = size.paths.flatMap(({ name, phases }) =>
    Object.keys(phases[0] ?? {}).map((phase, order) => ({
      path: name,
      phase,
      order,
      ms: estimateMedian(phases.map((sample) => sample[phase] ?? 0)).median,
    })),
  );
  return {
    config: CONFIG,
    width: 620,
    height: { step: 30 },
    data: { values },
    mark: 'bar',
    encoding: {
      y: { field: 'path', type: 'nominal', title: null },
      x: { field: 'ms', type: 'quantitative', title: 'milliseconds', stack: true },
      color: { field: 'phase', type: 'nominal', sort: ['connect', 'copy', 'merge', 'other'], title: null },
      order: { field: 'order', type: 'quantitative' },
    },
  };
}

/** Milliseconds against rows, both logarithmic; drawn where there is more than one size. */
export function costChart({ sizes }: BenchResult): TopLevelSpec {
  const values = sizes.flatMap((size) =>
    comparable(size).map(({ name, floor, time }) => ({
      path: name,
      kind: kindOf(name, floor),
      rows: size.rows,
      ms: time.median,
    })),
  );
  return {
    config: CONFIG,
    width: 560,
    height: 320,
    data: { values },
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: 'rows',
        type: 'quantitative',
        scale: { type: 'log' },
        title: 'rows',
        axis: { format: '~s' },
      },
      y: { field: 'ms', type: 'quantitative', scale: { type: 'log' }, title: 'milliseconds' },
      color: { field: 'path', type: 'nominal', title: null, legend: { columns: 5 } },
      strokeDash: { field: 'kind', type: 'nominal', legend: null },
    },
  };
}
