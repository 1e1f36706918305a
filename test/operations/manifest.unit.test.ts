import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defineFixture, manifest, sizedCertificates, type Manifest } from '../../src/index.js';
import { run } from '../support/command-line.js';
import { matchesManifestSchema } from '../support/schema-validator.js';

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

  it('does not look where it is told not to', async () => {
    const { code, stdout } = await run(['manifest', '--no-standing'], {
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).not.toHaveProperty('database');
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

  it.each<[string, unknown, unknown]>([
    ['numeric', NaN, 'NaN'],
    ['numeric', 1.5, 1.5],
    ['numeric', null, null],
    ['bytea', Uint8Array.of(0, 39, 255), '\\x0027ff'],
    ['date', new Date('2024-02-29T23:59:59Z'), '2024-02-29'],
    ['timestamptz', new Date('2024-02-29T23:59:59Z'), '2024-02-29T23:59:59.000Z'],
    ['boolean', false, false],
    ['jsonb', { a: [1, null] }, { a: [1, null] }],
    ['text[]', ['a', null], ['a', null]],
    ['bigint[][]', [[1n], [null]], [['1'], [null]]],
  ])('says what a constant of type %s holds: %o', async (type, value, said) => {
    const own = defineFixture({
      name: '20_own',
      table: 'agents',
      count: 1,
      columns: { id: 'text' },
      constants: { other: { type, value } },
      conflictKeys: [['id']],
      mark: { column: 'id', prefix: 'own-' },
      rows: () => [['own-1']],
    });
    const found = await manifest({ fixtures: [own], standing: false });
    expectSchema(JSON.parse(JSON.stringify(found)));
    expect(found.fixtures[0]?.constants).toEqual({ other: said });
  });
});
