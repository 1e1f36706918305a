// Renews every certificate that the manifest names, by their ids, FLEET_BATCH (500) in a request; once, unless
// FLEET_PASSES or FLEET_RATE say otherwise.
//
//   k6 run -e FLEET_MANIFEST=/path/to/fleet.json bulk-renewal.js
//
// fleet.js says the other settings. Why by ids: of a bulk renewal by team or issuer the server takes the first 50
// certificates and no more. It takes all ids that it is given, and skips a certificate whose renewal is under way: a second
// pass, or a second run without a reset, finds most of them skipped.

import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import { BASE, count, optionsOf, parameters, rowsOf } from './fleet.js';

const BATCH = count('FLEET_BATCH', 500);
const PATH = '/api/v1/certificates/bulk-renew';

const certificates = rowsOf('managed_certificates');
const batches = Math.ceil(certificates.rows / BATCH);

const enqueued = new Counter('renewals_enqueued');
const skipped = new Counter('renewals_skipped');

export const options = optionsOf({
  scenario: 'bulk_renewal_by_id',
  exec: 'renew',
  turns: batches,
  fleet: certificates.fleet,
  usual: { passes: 1, vus: 4 },
  thresholds: {
    http_req_duration: ['p(95)<2000', 'p(99)<5000'],
    http_req_failed: ['rate<0.01'],
    // A certificate that is not there, or could not be renewed, leaves the answer a 200.
    checks: ['rate==1'],
  },
});

export function renew() {
  const first = (exec.scenario.iterationInTest % batches) * BATCH;
  const size = Math.min(BATCH, certificates.rows - first);
  const ids = Array.from({ length: size }, (_, place) => certificates.idAt(first + place));
  const body = JSON.stringify({ certificate_ids: ids });
  const response = http.post(BASE + PATH, body, parameters(`POST ${PATH}`));
  const result = response.status === 200 ? response.json() : {};
  enqueued.add(result.total_enqueued || 0);
  skipped.add(result.total_skipped || 0);
  check(response, {
    'the batch was taken': ({ status }) => status === 200,
    'every certificate was found': () => result.total_matched === size,
    'none failed': () => result.total_failed === 0,
  });
}
