import { describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { chooseFixtures } from '../../src/fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { useDatabase } from '../support/database.js';
import { pacedAgents } from '../support/paced-agents.js';
import { differenceSql } from '../support/oracle.js';

const database = useDatabase();

/** All rows of both tables as one number. */
async function contents(): Promise<unknown> {
  return database.value(`select sum(hashtextextended(line, 0)) from (
    select c::text as line from managed_certificates as c union all select a::text from agents as a) as lines`);
}

describe('load', () => {
  it('gives every column of every row of the published fixtures its value', async () => {
    const fixtures = chooseFixtures({ set: 'all', certs: 1_100, agents: 70_000 });
    const report = await load({ databaseUrl: database.url, fixtures });
    for (const { name, rows, merge, inserted, skipped, present } of report.fixtures) {
      expect({ name, merge, inserted, skipped, present }).toEqual({
        name,
        merge: 'insert',
        inserted: rows,
        skipped: 0,
        present: rows,
      });
      const difference = differenceSql(name, undefined, { asMigrated: true });
      expect(await database.query(difference, [report.anchor])).toEqual([]);
    }
    expect(await database.value('select count(*) from managed_certificates')).toBe('61100');
    expect(await database.value('select count(*) from agents')).toBe('85000');
  });

  it('changes nothing the second time', async () => {
    const before = await contents();
    const report = await load({ databaseUrl: database.url });
    expect(report.fixtures.map(({ inserted, skipped }) => [inserted, skipped])).toEqual([
      [0, 10_000],
      [0, 5_000],
    ]);
    expect(await contents()).toBe(before);
  });

  it('hangs times on the server’s own, to the microsecond', async () => {
    const [anchors, fixtures]: [string[], Fixture[]] = [[], [sizedAgents(1)]];
    for (let i = 0; i < 3; i++)
      anchors.push((await load({ databaseUrl: database.url, fixtures, settle: false })).anchor);
    expect(anchors.every((anchor) => anchor.endsWith('000Z'))).toBe(false);
  });

  it('adds only what a larger fleet has more', async () => {
    const report = await load({
      databaseUrl: database.url,
      fixtures: [sizedCertificates(1_234), sizedAgents(70_001)],
    });
    expect(report.fixtures.map(({ inserted }) => inserted)).toEqual([134, 1]);
    expect(report.fixtures.map(({ present }) => present)).toEqual([1_234, 70_001]);
  });

  it('tells of a row that another keeps out, and which that is', async () => {
    await database.query(`update managed_certificates set id = 'cert-somebody-elses' where id = $1`, [
      'cert-loadtest-bulk-00042',
    ]);
    const report = await load({ databaseUrl: database.url });
    expect(report.fixtures[0]).toMatchObject({
      inserted: 0,
      skipped: 9_999,
      blocked: 1,
      present: 9_999,
      firstBlocked: {
        key: 'cert-loadtest-bulk-00042',
        by: 'row cert-somebody-elses, which has the same name',
      },
    });
    await database.query(`update managed_certificates set id = $1 where id = 'cert-somebody-elses'`, [
      'cert-loadtest-bulk-00042',
    ]);
  });

  it('prints the confirmation lines that the harness greps, in order', async () => {
    const lines: string[] = [];
    await load({
      databaseUrl: database.url,
      onEvent: (event) => {
        if (event.type === 'confirmation') lines.push(event.line);
      },
    });
    expect(lines).toEqual([
      'Phase 8 bulk-renewal seed: 10000 managed_certificates rows present',
      'Phase 8 agent-storm seed: 5000 agents rows present',
    ]);
  });

  it('leaves statistics and no dead rows behind', async () => {
    const tuples = await database.value(`select reltuples from pg_class where oid = 'agents'::regclass`);
    expect(Number(tuples)).toBe(85_001);
    // What autovacuum analyzes does not count there.
    for (const table of ['agents', 'managed_certificates'])
      await database.until(
        `select last_analyze is not null from pg_stat_user_tables where relname = '${table}'`,
      );
  });
});

describe('a fixture that fails half-way', () => {
  const failing = defineFixture({
    name: '00_failing',
    table: 'agents',
    count: 5_000,
    columns: { id: 'text', name: 'text', hostname: 'text', api_key_hash: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'ag-failing-' },
    *rows(first, last) {
      for (let g = first; g <= last; g++) {
        if (g === 4_000) throw new Error('out of agents');
        yield [`ag-failing-${g}`, `failing-${g}`, 'h', 'x'];
      }
    },
  });

  it('leaves nothing, and says so', async () => {
    await expect(load({ databaseUrl: database.url, fixtures: [failing] })).rejects.toMatchObject({
      code: 'fixture',
      phase: 'copy',
      fixture: '00_failing',
      message: 'fixture 00_failing: row 4000: out of agents',
      state: '00_failing: nothing was changed',
    });
    expect(await database.value(`select count(*) from agents where id like 'ag-failing-%'`)).toBe('0');
  });

  it.each([
    ['', sizedAgents(10)],
    [', but not vacuumed and analyzed', pacedAgents('early', () => undefined)],
  ])('leaves what was done before it, and says that too%s', async (more, fixture) => {
    const done = { ...fixture, name: '00_done' };
    await expect(
      load({ databaseUrl: database.url, fixtures: [done, failing], jobs: 1 }),
    ).rejects.toMatchObject({
      fixture: '00_failing',
      state: `00_done: done and committed${more}; 00_failing: nothing was changed`,
    });
    await database.query(`delete from agents where id like 'ag-early-%'`);
  });

  it('cancels the fixtures beside it', async () => {
    const fixtures = [sizedCertificates(200_000), failing];
    await expect(load({ databaseUrl: database.url, fixtures, jobs: 2 })).rejects.toMatchObject({
      message: 'fixture 00_failing: row 4000: out of agents',
      state: 'scale_certs, 00_failing: nothing was changed',
    });
    expect(
      await database.value(`select count(*) from managed_certificates where name like 'loadtest-scale-%'`),
    ).toBe('1234');
  });
});

describe('interruption', () => {
  it.each(['copy', 'merge'] as const)('during %s rolls back at once', async (phase) => {
    const controller = new AbortController();
    const loading = load({
      databaseUrl: database.url,
      fixtures: [sizedCertificates(150_000)],
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'phase' && event.phase === phase)
          setImmediate(() => {
            controller.abort();
          });
      },
    });
    await expect(loading).rejects.toMatchObject({ code: 'interrupted', phase, fixture: 'scale_certs' });
    expect(
      await database.value(`select count(*) from managed_certificates where name like 'loadtest-scale-%'`),
    ).toBe('1234');
  });

  it('by the time limit is a timeout', async () => {
    await expect(
      load({ databaseUrl: database.url, fixtures: [sizedCertificates(500_000)], timeoutMs: 300 }),
    ).rejects.toMatchObject({ code: 'timeout', hint: 'raise the time limit (--timeout, timeoutMs)' });
  });
});

describe('two loaders at once', () => {
  it('take turns and both succeed', async () => {
    const fixtures = [sizedAgents(90_000)];
    const notices: string[] = [];
    const options = {
      databaseUrl: database.url,
      fixtures,
      onEvent: (event: { type: string; message?: string }) => {
        if (event.type === 'notice') notices.push(event.message ?? '');
      },
    };
    const [one, two] = await Promise.all([load(options), load(options)]);
    expect(one.fixtures[0]?.inserted ?? 0).toBeOneOf([0, 19_999]);
    expect((one.fixtures[0]?.inserted ?? 0) + (two.fixtures[0]?.inserted ?? 0)).toBe(19_999);
    expect(notices).toContainEqual(
      expect.stringMatching(/^another scale-seed is at work on scale_agents: waiting for .* to finish$/),
    );
  });
});
