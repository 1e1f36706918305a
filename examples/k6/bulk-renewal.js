// Renews every certificate in the manifest by its id, FLEET_BATCH (100) per request; once, unless FLEET_PASSES or
// FLEET_RATE say otherwise.
//
//   k6 run -e FLEET_MANIFEST=/path/to/fleet.json bulk-renewal.js
//
// fleet.js lists the other settings. Why by ids: in a bulk renewal by team or issuer the server takes only the first 50
// certificates. It takes all given ids, but skips a certificate whose renewal is under way: in a second pass, or a second
// run without a reset, most of them are skipped.

import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import { BASE, count, optionsOf, parameters, rowsOf } from './fleet.js';

const BATCH = count('FLEET_BATCH', 100);
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
    // The server renews a batch's certificates one after the other.
    http_req_duration: [`p(95)<${20 * Math.max(BATCH, 100)}`, `p(99)<${50 * Math.max(BATCH, 100)}`],
    http_req_failed: ['rate<0.01'],
    // The answer is a 200 even if a certificate does not exist or could not be renewed.
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
