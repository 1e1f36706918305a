import { describeStructure } from '../campaign/checks.js';
import type { Action } from './actions.js';
import type { Place } from './place.js';

const known = new WeakMap<Place, Map<string, Promise<string>>>();

/** The structure of the tables as an action alone leaves it, or as it is without any. */
export function structureAfter(place: Place, action?: Action): Promise<string> {
  const structures = known.get(place) ?? new Map<string, Promise<string>>();
  known.set(place, structures);
  const name = action?.name ?? 'none';
  const structure = structures.get(name) ?? describeAlone(place, action);
  structures.set(name, structure);
  return structure;
}

async function describeAlone(place: Place, action: Action | undefined): Promise<string> {
  const database = `structure_${(action?.name ?? 'none').replaceAll('-', '_')}`;
  await place.create(database, 'full');
  const { client, query } = await place.connect(database);
  if (action !== undefined) await query(action.sql);
  const structure = await describeStructure(query);
  await client.end();
  await place.drop(database);
  return structure;
}
