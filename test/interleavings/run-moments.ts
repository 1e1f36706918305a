import { Random } from '../campaign/random.js';
import { momentsOf, type Moment } from './moments.js';
import type { Place } from './place.js';
import { runMoment, type MomentResult } from './run-moment.js';
import type { Variant } from './variants.js';

/** Runs each variant undisturbed; what it sends are the moments that it has. */
export async function recordMoments(
  place: Place,
  variants: readonly Variant[],
  everyWay: boolean,
): Promise<{ moments: Moment[]; undisturbed: MomentResult[] }> {
  const moments: Moment[] = [];
  const undisturbed: MomentResult[] = [];
  for (const variant of variants) {
    const result = await runMoment(place, variant);
    undisturbed.push(result);
    moments.push(...momentsOf(variant, result.statements, everyWay));
  }
  return { moments, undisturbed };
}

/** So many of them, which the seed alone decides. */
export function sampleOf<Item>(items: readonly Item[], size: number, seed: number): Item[] {
  const random = new Random(seed);
  const rest = [...items];
  return Array.from(
    { length: Math.min(size, rest.length) },
    () => rest.splice(random.between(0, rest.length - 1), 1)[0]!,
  );
}

/** Runs moments, one at a time in each place. */
export async function runMoments(
  places: readonly Place[],
  moments: readonly Moment[],
  onResult: (result: MomentResult) => void,
): Promise<void> {
  const queue = moments.values();
  await Promise.all(
    places.map(async (place) => {
      for (const moment of queue) onResult(await runMoment(place, moment.variant, moment));
    }),
  );
}
