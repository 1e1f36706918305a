import { formatCount, formatRatio } from '../../src/report/units.js';
import type { PathKind } from '../load-path.js';
import type { BenchResult, PathResult, SizeResult } from '../result.js';
import { renderChart } from './chart.js';
import { html, type Html } from './html.js';
import { intervalOf } from './tables.js';

const MEANINGS: Readonly<Record<PathKind, string>> = {
  ours: 'scale-seed',
  published: 'the published SQL',
  rival: 'other ways',
  floor: 'floors, which leave out part of the work',
};

type Compared = PathResult & { ratio: NonNullable<PathResult['ratio']> };

/** What each colour of bars means. */
export function renderLegend(): Html {
  const items = Object.entries(MEANINGS).map(
    ([kind, meaning]) => html`<li><span class="swatch ${kind}"></span>${meaning}</li>`,
  );
  return html`<ul class="legend">
    ${items}
  </ul>`;
}

/** A chart for each path that others are compared with, the quickest first, and one of what has nothing to be compared with. */
export function renderRatios({ paths }: SizeResult): Html[] {
  const compared = paths.filter((path): path is Compared => path.ratio !== undefined);
  const alone = paths.filter(({ ratio }) => ratio === undefined);
  const references = [...new Set(compared.map(({ ratio }) => ratio.to))];
  return [
    ...references.map((to) =>
      against(
        to,
        compared.filter(({ ratio }) => ratio.to === to),
      ),
    ),
    ...(alone.length === 0 ? [] : [withoutRatio(alone)]),
  ];
}

function against(reference: string, paths: readonly Compared[]): Html {
  const scale = Math.max(1, ...paths.map(({ ratio }) => ratio.interval[1])) / 100;
  const percent = (ratio: number): string => `${(ratio / scale).toFixed(2)}%`;
  return renderChart({
    caption: html`Time as a ratio to <b>${reference}</b> in the same round; shorter is quicker. Thin line:
      interval of the median. Dashed line: ${reference}.`,
    columns: ['ratio', 'interval', 'time', 'rows/s'],
    rows: [...paths]
      .sort((a, b) => a.ratio.median - b.ratio.median)
      .map(({ name, about, kind, ratio, ...path }) => {
        const [low, high] = ratio.interval;
        const whisker = html`<i
          style="left: ${percent(low)}; width: calc(${percent(high)} - ${percent(low)})"
        ></i>`;
        return {
          name,
          about,
          bar: html`<div class="track">
            <b class="${kind}" style="width: ${percent(ratio.median)}"></b
            >${name === reference ? '' : whisker}<u style="left: ${percent(1)}"></u>
          </div>`,
          cells: [
            formatRatio(ratio.median),
            name === reference ? '–' : intervalOf(ratio, formatRatio),
            ...timeCells(path),
          ],
        };
      }),
  });
}

function withoutRatio(paths: readonly PathResult[]): Html {
  return renderChart({
    caption: html`Times alone: the path that they would be compared with was not run.`,
    columns: ['time', 'rows/s'],
    rows: paths.map(({ name, about, ...path }) => ({ name, about, cells: timeCells(path) })),
  });
}

function timeCells({ time, rowsPerSecond }: Pick<PathResult, 'time' | 'rowsPerSecond'>): string[] {
  return [
    `${formatCount(Math.round(time.median))} ms`,
    rowsPerSecond === undefined ? '–' : formatCount(rowsPerSecond),
  ];
}

/** The ratios of all sizes side by side. */
export function renderSizes({ sizes }: BenchResult): Html {
  const names = [...new Set(sizes.flatMap(({ paths }) => paths.map(({ name }) => name)))];
  const find = (name: string, { paths }: SizeResult) => paths.find((path) => path.name === name)?.ratio;
  const referenceOf = (name: string): string => {
    const [to] = sizes.flatMap((size) => find(name, size)?.to ?? []);
    return to === undefined || to === name ? '' : `of ${to}`;
  };
  const ratioOf = (name: string, size: SizeResult): string => {
    const ratio = find(name, size);
    if (ratio === undefined) return '–';
    return ratio.to === name ? '1.00' : `${formatRatio(ratio.median)} (${intervalOf(ratio, formatRatio)})`;
  };
  return renderChart({
    caption: html`Ratio of times, with its interval.`,
    columns: sizes.map(({ size }) => size),
    rows: names.map((name) => ({
      name,
      about: referenceOf(name),
      cells: sizes.map((size) => ratioOf(name, size)),
    })),
  });
}
