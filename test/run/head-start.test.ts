import { expect, it } from 'vitest';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { SETS } from '../../src/fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import type { RunEvent } from '../../src/report/events.js';
import { useDatabase } from '../support/database.js';
import { gate } from '../support/gate.js';

const database = useDatabase();

/** Loads fixtures at once, and returns which of them had how many rows through which phase, in order. */
async function progressOf(fixtures: readonly Fixture[]): Promise<string[]> {
  const told: string[] = [];
  const onEvent = (event: RunEvent): void => {
    if (event.type === 'progress') told.push(`${event.fixture} ${event.phase} ${event.rows}`);
  };
  await load({ databaseUrl: database.url, fixtures, jobs: 2, settle: false, onEvent });
  return told;
}

it('the first fixture has rows merged before the second has any sent, and then both are at work', async () => {
  const told = await progressOf(SETS.fleet);
  const [merged, ...others] = ['01_bulk_renewal_certs merge', '02_agent_fleet copy'].map((start) =>
    told.findIndex((line) => line.startsWith(start)),
  );
  expect(merged).toBeLessThan(others[0]!);
  expect(told.lastIndexOf('01_bulk_renewal_certs merge 10000')).toBeGreaterThan(others[0]!);
});

it('a fixture of which all stands has none', async () => {
  expect((await progressOf(SETS.fleet)).sort()).toEqual([
    '01_bulk_renewal_certs merge 10000',
    '02_agent_fleet merge 5000',
  ]);
});

it('one that waits for the others is not waited for', async () => {
  const { opened, open } = gate();
  const agents = sizedAgents(10);
  const first: Fixture = {
    ...agents,
    async *rows(from, to) {
      await opened;
      yield* agents.rows(from, to);
    },
  };
  const certificates = sizedCertificates(10);
  const second: Fixture = {
    ...certificates,
    *rows(from, to) {
      open();
      yield* certificates.rows(from, to) as Iterable<readonly unknown[]>;
    },
  };
  expect(await progressOf([first, second])).toContain('scale_agents merge 10');
});
