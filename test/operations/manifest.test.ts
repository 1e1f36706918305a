import { beforeAll, describe, expect, it } from 'vitest';
import { load, manifest, reset, SETS, sizedCertificates, verify } from '../../src/index.js';
import { useDatabase } from '../support/database.js';
import { matchesManifestSchema } from '../support/schema-validator.js';

const database = useDatabase();

function expectSchema(found: unknown): void {
  expect(matchesManifestSchema(found), JSON.stringify(matchesManifestSchema.errors)).toBe(true);
}

describe('with a database', () => {
  const agents = SETS.fleet[1]!;
  let anchors: string[];

  beforeAll(async () => {
    const loaded = await load({ databaseUrl: database.url });
    await database.query(`delete from agents where id > 'ag-loadtest-04000'`);
    const added = await load({ databaseUrl: database.url, fixtures: [agents] });
    anchors = [loaded.anchor, added.anchor];
  });

  it('says which rows stand, and on which anchors', async () => {
    const found = await manifest({
      databaseUrl: database.url,
      fixtures: [...SETS.fleet, sizedCertificates(7)],
    });
    expectSchema(JSON.parse(JSON.stringify(found)));
    const url = new URL(database.url);
    expect(found.database).toBe(`postgresql://${url.username}@${url.host}${url.pathname}`);
    expect(found.fixtures.map(({ standing }) => standing)).toMatchObject([
      [{ schema: 'public', present: 10_000, anchors: [{ at: anchors[0], rows: 10_000 }] }],
      [
        {
          present: 5_000,
          anchors: [
            { at: anchors[0], rows: 4_000 },
            { at: anchors[1], rows: 1_000 },
          ],
        },
      ],
      [{ present: 0, anchors: [], ageMs: null }],
    ]);
    expect(found.fixtures[0]?.standing?.[0]?.ageMs).toBeGreaterThan(0);
  });

  it('follows a reset', async () => {
    const { anchor } = await reset({ databaseUrl: database.url, fixtures: [agents] });
    const found = await manifest({ databaseUrl: database.url, fixtures: [agents] });
    expect(found.fixtures[0]?.standing?.[0]?.anchors).toEqual([{ at: anchor, rows: 5_000 }]);
  });

  it('gives the anchors that verify does, where those of some rows have drifted', async () => {
    const run = { databaseUrl: database.url, fixtures: [agents] };
    const { anchor } = await reset(run);
    await database.query(
      `update agents set registered_at = registered_at - interval '1 day' where id <= 'ag-loadtest-00010'`,
    );
    const [{ standing } = {}] = (await manifest(run)).fixtures;
    const [{ anchors } = {}] = (await verify(run)).fixtures;
    expect(anchors).toEqual([{ at: anchor, rows: 5_000 }]);
    expect(standing).toMatchObject([{ anchors, anchorCount: 1 }]);
  });
});
