// Shared by the scripts in this folder: the settings, the fleet's ids, and which of them an iteration takes.
//
// The fleet is what `scale-seed manifest --output fleet.json` lists: all rows of a table, fixture after fixture.
// `scale-seed manifest FIXTURE...` and `--set` choose them.
//
//   CERTCTL_BASE    https://certctl-server:8443
//   CERTCTL_TOKEN   load-test-token
//   FLEET_MANIFEST  /results/fleet.json; a relative path starts in the scripts' folder
//   FLEET_PASSES    number of passes over all rows, as fast as the VUs manage
//   FLEET_RATE      or requests per second, for FLEET_DURATION
//   FLEET_DURATION  5m; with FLEET_PASSES the longest time they may take, 1h
//   FLEET_VUS       VUs; with FLEET_RATE up to four times as many if answers are slow
//
// An empty variable counts as unset.

import { SharedArray } from 'k6/data';

export const BASE = __ENV.CERTCTL_BASE || 'https://certctl-server:8443';
const TOKEN = __ENV.CERTCTL_TOKEN || 'load-test-token';
const MANIFEST = __ENV.FLEET_MANIFEST || '/results/fleet.json';

/** A setting that is a whole number above 0. */
export function count(name, otherwise) {
  const text = __ENV[name];
  if (!text) return otherwise;
  if (!/^0*[1-9]\d*$/.test(text)) throw new Error(`${name} is not a whole number above 0: ${text}`);
  return Number(text);
}

/**
 * A table's rows in the manifest: how many, the id of each by its place from 0, and the fixtures' fingerprints. Ids are
 * computed from their numbering, so a fleet of millions costs no memory. The parts of the manifest that are kept are in
 * memory once, not once per VU.
 */
export function rowsOf(table) {
  const fixtures = new SharedArray(table, () => {
    const found = JSON.parse(open(MANIFEST)).fixtures.filter((fixture) => fixture.table === table);
    return found.map(({ name, rows, keys, fingerprint }) => {
      if (!keys.id) throw new Error(`${MANIFEST}: the ids of ${name} are not numbered`);
      return { rows, fingerprint, ...keys.id };
    });
  });
  let rows = 0;
  const fingerprints = [];
  for (const fixture of fixtures) {
    rows += fixture.rows;
    fingerprints.push(fixture.fingerprint.replace('sha256:', '').slice(0, 12));
  }
  if (rows === 0) throw new Error(`${MANIFEST} has no rows of ${table}`);
  return { rows, idAt: (place) => idAt(fixtures, place), fleet: fingerprints.join('+') };
}

function idAt(fixtures, place) {
  let number = place + 1;
  for (const { rows, prefix, digits, suffix } of fixtures) {
    if (number <= rows) return prefix + String(number).padStart(digits, '0') + suffix;
    number -= rows;
  }
  throw new Error(`the fleet has no row ${place + 1}`);
}

/**
 * Options of a test of one scenario. A pass is `turns` iterations, one for each agent or batch. A script takes its turn
 * from exec.scenario.iterationInTest, which counts over all VUs, and never from the VU's number, so each turn comes
 * exactly once per pass, whichever VU takes it. `usual` holds the default: either passes or a rate. All samples are tagged
 * with the fleet, since runs on different fleets cannot be compared.
 */
export function optionsOf({ scenario, exec, turns, fleet, usual, thresholds }) {
  if (__ENV.FLEET_PASSES && __ENV.FLEET_RATE)
    throw new Error('FLEET_PASSES and FLEET_RATE exclude each other');
  const passes = count('FLEET_PASSES', __ENV.FLEET_RATE ? undefined : usual.passes);
  const pace = passes
    ? inPasses(turns, passes, usual.vus)
    : atRate(count('FLEET_RATE', usual.rate), usual.vus);
  const own = Object.entries(thresholds).map(([metric, limits]) => [
    `${metric}{scenario:${scenario}}`,
    limits,
  ]);
  return {
    scenarios: { [scenario]: { exec, ...pace } },
    tags: { fleet },
    thresholds: {
      ...Object.fromEntries(own),
      // Passes that run out of time are incomplete, which k6 would not count as a failure.
      ...(passes ? { iterations: [`count>=${passes * turns}`] } : {}),
    },
    summaryTrendStats: ['avg', 'min', 'med', 'p(95)', 'p(99)', 'max'],
    // The stack's certificate is self-signed.
    insecureSkipTLSVerify: true,
  };
}

function inPasses(turns, passes, vus) {
  return {
    executor: 'shared-iterations',
    iterations: passes * turns,
    // With more VUs than turns, one turn would run in two passes at once.
    vus: Math.min(count('FLEET_VUS', vus), turns),
    maxDuration: __ENV.FLEET_DURATION || '1h',
  };
}

/** Keeps the rate however slow the answers are, as a fleet would, so that a slow server shows. */
function atRate(rate, usualVus) {
  const vus = count('FLEET_VUS', usualVus);
  return {
    executor: 'constant-arrival-rate',
    rate,
    timeUnit: '1s',
    duration: __ENV.FLEET_DURATION || '5m',
    preAllocatedVUs: vus,
    maxVUs: 4 * vus,
  };
}

/** Parameters of a request. Its name replaces the URL; otherwise k6 would make a time series of each id. */
export function parameters(name) {
  return {
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${TOKEN}` },
    tags: { name },
  };
}
