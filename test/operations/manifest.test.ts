import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  defineFixture,
  load,
  manifest,
  reset,
  SETS,
  sizedCertificates,
  type Manifest,
} from '../../src/index.js';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { matchesManifestSchema } from '../support/schema-validator.js';

const database = useDatabase();

function expectSchema(found: unknown): void {
  expect(matchesManifestSchema(found), JSON.stringify(matchesManifestSchema.errors)).toBe(true);
}

describe('without a database', () => {
  it('says what would be loaded, and starts no server', async () => {
    const { code, stdout, stderr } = await run(['manifest', '--no-standing']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const found = JSON.parse(stdout) as Manifest;
    expectSchema(found);
    expect(found.rows).toEqual({ managed_certificates: 10_000, agents: 5_000 });
    expect(found.fixtures.map(({ keys, standing }) => [keys.id, standing])).toEqual([
      [
        {
          prefix: 'cert-loadtest-bulk-',
          digits: 5,
          suffix: '',
          first: 'cert-loadtest-bulk-00001',
          last: 'cert-loadtest-bulk-10000',
        },
        undefined,
      ],
      [
        {
          prefix: 'ag-loadtest-',
          digits: 5,
          suffix: '',
          first: 'ag-loadtest-00001',
          last: 'ag-loadtest-05000',
        },
        undefined,
      ],
    ]);
    expect(found.fixtures[0]?.constants).toMatchObject({ team_id: 't-platform', issuer_id: 'iss-local' });
    expect(found.fixtures[0]?.constants).not.toHaveProperty('created_at');
  });

  it('writes to the file that is named, and to standard output nothing', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'scale-seed-manifest-')), 'fleet.json');
    const outcome = await run(['manifest', '--no-standing', '--output', file]);
    expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' });
    expectSchema(JSON.parse(await readFile(file, 'utf8')));
  });

  it('knows fixtures without rows, without counting keys, with constants that JSON has no word for', async () => {
    const own = defineFixture({
      name: '20_own',
      table: 'agents',
      count: 1,
      columns: { id: 'text' },
      constants: { name: { type: 'bigint', value: 12n } },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: 'own-' },
      rows: () => [['own-1']],
    });
    const found = await manifest({ fixtures: [own, sizedCertificates(0)], standing: false });
    expectSchema(JSON.parse(JSON.stringify(found)));
    expect(found.fixtures[0]).toMatchObject({ keys: {}, constants: { name: '12' } });
    expect(found.fixtures[1]?.keys.id).toMatchObject({ first: null, last: null });
  });
});

describe('with a database', () => {
  const [certificates, agents] = SETS.fleet as [(typeof SETS.fleet)[0], (typeof SETS.fleet)[0]];
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

  it('does not look where it is told not to', async () => {
    const { code, stdout } = await run(['manifest', '--no-standing', certificates.name], {
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).not.toHaveProperty('database');
  });
});
