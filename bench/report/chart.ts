import { html, type Html } from './html.js';

/** A table whose rows hold a bar beside their numbers; on a narrow screen each row becomes a block with the bar in between. */
export interface Chart {
  caption: Html;
  /** Heads of the columns of numbers. */
  columns: readonly (string | Html)[];
  rows: readonly ChartRow[];
}

interface ChartRow {
  name: string;
  about: string;
  /** Left out where the numbers stand alone. */
  bar?: Html;
  cells: readonly string[];
}

export function renderChart({ caption, columns, rows }: Chart): Html {
  const heads = columns.map((head) => html`<th scope="col">${head}</th>`);
  const bars = rows.some(({ bar }) => bar !== undefined);
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        <th scope="col">path</th>
        ${bars ? html`<td></td>` : ''}${heads}
      </tr>
    </thead>
    <tbody>
      ${rows.map((row) => renderRow(row, columns, bars))}
    </tbody>
  </table>`;
}

function renderRow(
  { name, about, bar = html``, cells }: ChartRow,
  columns: Chart['columns'],
  bars: boolean,
): Html {
  // The numbers say what the bar shows, so it is not read aloud.
  const barCell = bars ? html`<td class="bar" aria-hidden="true">${bar}</td>` : '';
  const numbers = cells.map(
    (cell, i) =>
      html`<td class="number"><span class="head" aria-hidden="true">${columns[i] ?? ''}</span>${cell}</td>`,
  );
  const small = about === '' ? '' : html`<small>${about}</small>`;
  return html`<tr>
    <th scope="row">${name}${small}</th>
    ${barCell}${numbers}
  </tr>`;
}
