import { closest, distance } from 'fastest-levenshtein';

/** The known word that was most likely meant: one that contains what was written, else one but a few letters away. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  const word = written.toLowerCase();
  const holder = word.length > 1 ? known.find((name) => name.toLowerCase().includes(word)) : undefined;
  if (holder !== undefined || known.length === 0) return holder;
  const best = closest(word, known);
  return distance(word, best) <= Math.max(1, Math.floor(word.length / 3)) ? best : undefined;
}
