import { estimateMedian } from '../../src/judge/median-interval.js';
import type { SizeResult } from '../result.js';
import { renderChart } from './chart.js';
import { html, type Html } from './html.js';

/** Where the time of a load goes, as medians of each phase; nothing where no path knows its phases. */
export function renderPhases({ paths }: SizeResult): Html {
  const measured = paths.filter(({ phases }) => phases.length > 0);
  const names = [...new Set(measured.flatMap(({ phases }) => phases.flatMap(Object.keys)))];
  if (names.length === 0) return html``;
  const rows = measured.map(({ name, phases }) => ({
    name,
    medians: names.map((phase) => medianOf(phases.flatMap((sample) => sample[phase] ?? []))),
  }));
  const longest = Math.max(...rows.map(({ medians }) => sum(medians)));
  return html`<h3>Where the time goes</h3>
    ${renderChart({
      caption: html`Medians of each phase; a longer bar took more time.`,
      columns: names.map((phase, i) => html`<span class="swatch phase-${i}"></span>${phase}`),
      rows: rows.map(({ name, medians }) => ({
        name,
        about: '',
        bar: html`<div class="track">
          ${medians.map(
            (ms, i) =>
              html`<b class="phase-${i}" style="width: ${((100 * (ms ?? 0)) / longest).toFixed(2)}%"></b>`,
          )}
        </div>`,
        cells: medians.map((ms) => (ms === undefined ? '–' : `${Math.round(ms)} ms`)),
      })),
    })}`;
}

/** Undefined where the path does not know the phase. */
function medianOf(ms: readonly number[]): number | undefined {
  return ms.length === 0 ? undefined : estimateMedian(ms).median;
}

function sum(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((total, number) => total + (number ?? 0), 0);
}
