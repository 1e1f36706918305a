/** Digits after the point: of times in milliseconds, and of all other fractions, which are ratios. */
const DIGITS = { ms: 1, ratio: 4 };

/** A report with its numbers as they are to be read: the only place in which they are rounded. */
export function rounded<T>(value: T, name = ''): T {
  if (typeof value === 'number') return roundOne(value, name) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => rounded(item, name)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, rounded<unknown>(item, key)]),
  ) as T;
}

function roundOne(value: number, name: string): number {
  return Number(value.toFixed(name.endsWith('Ms') ? DIGITS.ms : DIGITS.ratio));
}
