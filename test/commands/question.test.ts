import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** A shell with job control on a terminal of its own, as util-linux's `script` makes one. */
const hasTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;

it.skipIf(!hasTerminal)('a question that was put in the background is answered when it is back', async () => {
  await load({ databaseUrl: database.url, fixtures: [sizedAgents(10)], settle: false });
  const shell = spawn('script', ['-qec', 'bash --norc -i', '/dev/null'], {
    env: { ...process.env, DATABASE_URL: database.url },
  });
  let said = '';
  shell.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const type = async (keys: string, expected: RegExp): Promise<void> => {
    said = '';
    shell.stdin.write(keys);
    while (!expected.test(said)) await once(shell.stdout, 'data');
  };
  await type(`"${process.execPath}" "${CLI}" clean --certs 0 --agents 10 --no-settle\n`, /\[y\/N\]/);
  await type('\x1a', /Stopped/);
  await type('fg\n', /\[y\/N\]/);
  await type('y\n', /Deleted 10 rows/);
  shell.stdin.end('exit\n');
  await once(shell, 'close');
  expect(await database.value('select count(*)::int from agents')).toBe(0);
});
