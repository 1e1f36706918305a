import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { SETS } from '../../src/fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import type { RunEvent } from '../../src/report/events.js';
import { withHeadStart } from '../../src/run/head-start.js';
import type { Step } from '../../src/run/step.js';
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

it('the first fixture has rows merged before the second begins', async () => {
  const told: string[] = [];
  const { opened, open } = gate();
  const work = withHeadStart(async ({ fixture, count }) => {
    told.push(`${fixture.name} begins`);
    if (told.length > 1) {
      open();
      return;
    }
    count('copy', 5);
    await nextTurn();
    told.push(`${fixture.name} merges`);
    count('merge', 5);
    // Both are at work.
    await opened;
  }, 60_000);
  const stepOf = (fixture: Fixture) => ({ fixture, count: () => undefined }) as unknown as Step;
  await Promise.all([sizedCertificates(10), sizedAgents(10)].map((fixture) => work(stepOf(fixture))));
  expect(told).toEqual(['scale_certs begins', 'scale_certs merges', 'scale_agents begins']);
});

it('a fixture of which all stands has none', async () => {
  await progressOf(SETS.fleet);
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
