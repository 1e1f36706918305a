import { formatCount, formatRatio } from '../../src/report/units.js';
import type { BenchResult, SizeResult } from '../result.js';
import { html, Html } from './html.js';
import { renderPhases } from './phases.js';
import { renderLegend, renderRatios, renderSizes } from './ratios.js';
import { STYLE } from './style.js';
import { describeRun, intervalOf } from './tables.js';

/** One page that needs nothing else: ratios with their intervals, the numbers, and the samples behind them as JSON. */
export function renderPage(result: BenchResult): string {
  const { sizes } = result;
  const overview =
    sizes.length > 1
      ? html`<section>
          <h2>All sizes</h2>
          ${renderSizes(result)}
        </section>`
      : html``;
  const json = new Html(JSON.stringify(result).replaceAll('<', '\\u003c'));
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>scale-seed: load paths side by side</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <h1>Load paths side by side</h1>
        <p>
          Every path loads the same rows into the same fresh tables, or deals with them where they stand. The
          paths take turns, round after round, so that whatever slows the machine down slows all of them.
          Ratios pair the runs of one round; they are the figures that hold on another machine, times are not.
        </p>
        ${renderLegend()} ${sizes.map(renderSize)} ${overview}
        <footer>${describeRun(result)}; ${result.startedAt}</footer>
        <script type="application/json" id="result">
          ${json}
        </script>
      </body>
    </html> `.toString();
}

function renderSize(size: SizeResult): Html {
  const skipped = size.skipped.map(({ name, reason }) => html`<li>${name}: ${reason}</li>`);
  return html`<section>
    <h2>${size.size}: ${formatCount(size.rows)} rows</h2>
    ${verdictOf(size)} ${renderRatios(size)} ${renderPhases(size)}
    ${
      skipped.length === 0
        ? ''
        : html`<div class="skipped">
            Not run:
            <ul>
              ${skipped}
            </ul>
          </div>`
    }
  </section>`;
}

/** Who is the quickest of those that load all rows, as whole processes where such were compared, and by how much. */
function verdictOf({ paths }: SizeResult): Html {
  const reference = paths.find(({ name, kind, ratio }) => kind === 'published' && ratio?.to === name)?.name;
  const [best] = paths
    .filter(
      ({ kind, ratio, rowsPerSecond }) =>
        kind !== 'floor' && ratio?.to === reference && rowsPerSecond !== undefined,
    )
    .sort((a, b) => a.ratio!.median - b.ratio!.median);
  if (best?.ratio === undefined) return html``;
  if (best.name === reference) return html`<p class="verdict"><b>${reference}</b> is the quickest.</p>`;
  const { median, interval, confidence } = best.ratio;
  const sure =
    interval[0] < interval[1]
      ? ` (${intervalOf(best.ratio, formatRatio)} with ${Math.floor(100 * confidence)} % confidence)`
      : '';
  return html`<p class="verdict">
    <b>${best.name}</b> is the quickest: it takes ${formatRatio(median)} of the time of the published
    SQL${sure}.
  </p>`;
}
