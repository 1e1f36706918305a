/** Text that is markup already. */
export class Html {
  constructor(private readonly markup: string) {}

  toString(): string {
    return this.markup;
  }
}

type Value = string | number | Html | readonly Html[];

/** Makes markup of a template; what is put into it is escaped unless it is markup itself. */
export function html({ raw }: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(raw.map((part, i) => part + render(values[i] ?? '')).join(''));
}

function render(value: Value): string {
  if (value instanceof Html) return value.toString();
  if (typeof value === 'object') return value.join('\n');
  return String(value)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
