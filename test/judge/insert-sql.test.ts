import { describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { FixtureDefinition } from '../../src/fixtures/fixture.js';
import { SHIPPED } from '../../src/fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { insertSeries } from '../../src/judge/insert-sql.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const fixtures = [...SHIPPED, sizedAgents(70_000), sizedCertificates(1_100)];

describe('the reference load', () => {
  it.each(fixtures.map((fixture) => [fixture.name, fixture] as const))(
    'of %s makes every row as the fixture has it',
    async (_, fixture) => {
      const client = await database.client();
      const { rowCount } = await client.query(insertSeries(fixture, fixture.table)!);
      expect(rowCount).toBe(fixture.count);
      const { fixtures: verified } = await verify({ databaseUrl: database.url, fixtures: [fixture] });
      expect(verified[0]).toMatchObject({ intact: true, drift: [], anchors: [{ rows: fixture.count }] });
    },
  );

  it('of a fixture without formulas is not made of a series', () => {
    expect(insertSeries({ ...sizedAgents(1), formulas: undefined }, 'agents')).toBeUndefined();
  });

  it('wants a formula for every column that varies', () => {
    const definition = { ...(sizedAgents(1) as FixtureDefinition), formulas: { id: `'ag-' || g` } };
    expect(() => defineFixture(definition)).toThrow(
      'fixture scale_agents: formulas.name must be an expression of SQL',
    );
  });
});
