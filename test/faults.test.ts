import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAULTS } from './campaign/faults.js';
import { preparePlace, type Place } from './campaign/place.js';
import { runTrial, type Usual } from './campaign/trial.js';
import { measureUsual } from './campaign/usual.js';

/** One trial of every fault of the campaign, on a small fleet; `npm run campaign` runs hundreds. */
const SEED = 1;

let place: Place;
let usual: Usual;

beforeAll(async () => {
  place = await preparePlace({ certs: 6_000, agents: 3_000 });
  usual = await measureUsual(place);
});

afterAll(async () => {
  await place.close();
});

describe('all or nothing, no trace, the right exit code and a next run that completes, after', () => {
  it.for(FAULTS.map((fault, index) => ({ ...fault, trial: index + 1 })))(
    '$name',
    // As long as a trial's own deadlines: a hang is to be its finding.
    { timeout: 180_000 },
    async ({ trial, ...fault }, { skip }) => {
      if (fault.needsFullDisk === true) skip(place.noFullDisk !== undefined, place.noFullDisk);
      const { violations } = await runTrial(place, fault, trial, SEED, usual);
      expect(violations).toEqual([]);
    },
  );
});
