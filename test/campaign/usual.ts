import { run } from '../support/command-line.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { LOADER, type Place } from './place.js';
import type { Usual } from './trial.js';

/** Loads once without a fault: trials choose their moments within the time that it takes, and the bytes that cross. */
export async function measureUsual(place: Place): Promise<Usual> {
  const database = 'undisturbed';
  await place.create(database, 'none');
  const proxy = await startTcpProxy(place.port());
  const startMs = performance.now();
  const { code, stderr } = await run(
    [
      'load',
      ...['--certs', String(place.fleet.certs), '--agents', String(place.fleet.agents)],
      ...[
        '--database-url',
        `postgresql://${LOADER.user}@127.0.0.1:${proxy.port}/${database}?sslmode=disable`,
      ],
    ],
    { PGPASSWORD: LOADER.password },
  );
  const durationMs = Math.round(performance.now() - startMs);
  const bytes = proxy.passed();
  await proxy.close();
  await place.drop(database);
  if (code !== 0) throw new Error(`a load without any fault fails: ${stderr}`);
  return { durationMs, bytes };
}
