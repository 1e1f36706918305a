// Sends heartbeats of every agent in the manifest, in turn. By default each agent sends one every 30 seconds, for five
// minutes: 167 requests a second for the 5,000 of 02_agent_fleet. FLEET_PASSES=1 sends one of each, as fast as possible.
//
//   k6 run -e FLEET_MANIFEST=/path/to/fleet.json agent-heartbeats.js
//
// fleet.js lists the other settings. FLEET_HEARTBEAT is the body, `{}` by default: the server writes hostname, os,
// architecture, ip_address and version if the body contains them, and one os for all would destroy the fleet's mix.

import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { BASE, optionsOf, parameters, rowsOf } from './fleet.js';

const HEARTBEAT = __ENV.FLEET_HEARTBEAT || '{}';

const agents = rowsOf('agents');

export const options = optionsOf({
  scenario: 'agent_heartbeats',
  exec: 'heartbeat',
  turns: agents.rows,
  fleet: agents.fleet,
  usual: { rate: Math.ceil(agents.rows / 30), vus: 50 },
  thresholds: { http_req_duration: ['p(95)<500', 'p(99)<1000'], http_req_failed: ['rate<0.001'] },
});

export function heartbeat() {
  const id = agents.idAt(exec.scenario.iterationInTest % agents.rows);
  const path = '/api/v1/agents/{id}/heartbeat';
  const response = http.post(
    BASE + path.replace('{id}', encodeURIComponent(id)),
    HEARTBEAT,
    parameters(`POST ${path}`),
  );
  check(response, { 'the heartbeat was recorded': ({ status }) => status === 200 });
}
