/** A report with milliseconds to a tenth, and ratios to four digits. A limit stays what the caller has set. */
export function rounded<T>(value: T, name = ''): T {
  if (name === 'limit') return value;
  if (typeof value === 'number') return Number(value.toFixed(name.endsWith('Ms') ? 1 : 4)) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => rounded(item, name)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, rounded<unknown>(item, key)]);
  return Object.fromEntries(entries) as T;
}
