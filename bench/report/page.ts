import type { TopLevelSpec } from 'vega-lite';
import { formatCount } from '../../src/report/units.js';
import type { BenchResult, SizeResult } from '../result.js';
import { REFERENCE } from '../summarize.js';
import { costChart, phaseChart, throughputChart } from './charts.js';
import { describeMachine } from './tables.js';

/** Draws a chart as SVG. */
type Draw = (spec: TopLevelSpec) => Promise<string>;

/** One page that needs nothing else: charts as SVG, the samples behind them as JSON. */
export async function renderPage(result: BenchResult): Promise<string> {
  const draw = await loadDrawing();
  const sections: string[] = [];
  for (const size of result.sizes) {
    sections.push(
      `<section><h2>${size.size}: ${formatCount(size.rows)} rows</h2><p class="verdict">${verdictOf(size)}</p>`,
      `<h3>Throughput, with the interval of its median</h3>${await draw(throughputChart(size))}`,
    );
    if (size.paths.some(({ phases }) => phases.length > 0)) {
      sections.push(`<h3>Where the time goes</h3>${await draw(phaseChart(size))}`);
    }
    sections.push('</section>');
  }
  if (result.sizes.length > 1) {
    sections.push(`<section><h2>Cost against size</h2>${await draw(costChart(result))}</section>`);
  }
  const paths = new Map(result.sizes.flatMap((size) => size.paths.map((path) => [path.name, path])));
  sections.push(`<section><h2>Paths</h2><dl>${[...paths.values()].map(describe).join('')}</dl></section>`);
  return pageOf(sections.join('\n'), result);
}

/** @throws an error that names the package, where one of the two is not installed. */
async function loadDrawing(): Promise<Draw> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  return async (spec) => {
    const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
    return `<figure>${await view.toSVG()}</figure>`;
  };
}

/** Who wins, and by how much. */
function verdictOf({ paths }: SizeResult): string {
  const whole = paths.filter(({ name, floor }) => !floor && name !== 'rerun');
  const best = whole.reduce((winner, path) => (path.time.median < winner.time.median ? path : winner));
  const reference = paths.find(({ name }) => name === REFERENCE);
  if (reference === undefined || best.name === REFERENCE) return `${escape(best.name)} is the quickest.`;
  const times = reference.time.median / best.time.median;
  return `<b>${escape(best.name)}</b> is the quickest: ${times.toFixed(1)} times as fast as the published SQL, ${formatCount(best.rowsPerSecond)} rows a second against ${formatCount(reference.rowsPerSecond)}.`;
}

function describe({ name, about }: SizeResult['paths'][0]): string {
  return `<dt>${escape(name)}</dt><dd>${escape(about)}</dd>`;
}

function pageOf(body: string, result: BenchResult): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>scale-seed: load paths side by side</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: light-dark(#222, #ddd); background: light-dark(#fff, #16181c); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-bottom: 0; }
.verdict { font-size: 1.1rem; }
figure { margin: 0.5rem 0 1.5rem; }
svg { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; font-size: 13px; } dd { margin: 0; }
footer { color: #888; font-size: 13px; margin-top: 3rem; }
</style>
</head>
<body>
<h1>Load paths side by side</h1>
<p>Every path loads the same rows into the same tables of a fresh database. The paths take turns, round after round, so
that whatever slows the machine down slows all of them. Ratios pair the runs of one round.</p>
${body}
<footer>${escape(describeMachine(result))}; ${escape(result.startedAt)}</footer>
<script type="application/json" id="result">${JSON.stringify(result).replaceAll('<', '\\u003c')}</script>
</body>
</html>
`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
