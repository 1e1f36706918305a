import type { Encoder } from './type-encoders.js';

/** A PostgreSQL array literal. Every element but NULL is quoted, so nothing in it needs looking at twice. */
export function arrayLiteral(value: unknown, element: Encoder): string {
  if (!Array.isArray(value)) throw new TypeError(`an array is wanted, not a ${typeof value}`);
  const parts = value.map((item: unknown) => {
    if (Array.isArray(item)) return arrayLiteral(item, element);
    const text = element(item);
    return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${parts.join(',')}}`;
}
