import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import SCHEMA_SQL from '../src/embedded/schema.sql';
import { seedParents, sizedAgents, sizedCertificates, verify } from '../src/index.js';
import { CLI } from './support/command-line.js';
import { useDatabase, type TestDatabase } from './support/database.js';
import { leaveBehind as leaving, LEFTOVERS, live, OTHERS, SIZED, snapshot } from './support/leftovers.js';

const page = await readFile(new URL('../docs/ways-back.md', import.meta.url), 'utf8');

/** The shell's blocks under each heading that has some; those before the first are under ''. */
const BLOCKS = Object.fromEntries(
  page
    .split(/^## /m)
    .map((part, index): [string, string[]] => [
      index === 0 ? '' : part.slice(0, part.indexOf('\n')),
      [...part.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block ?? ''),
    ])
    .filter(([, blocks]) => blocks.length > 0),
);

const SMALL = ['--certs', '300', '--agents', '200'];
const FLEET = [sizedAgents(200), sizedCertificates(300)];

/** The major version of a client program; 0 where it is missing. */
function versionOf(program: string): number {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? Number(/ (\d+)/.exec(stdout)?.[1] ?? 0) : 0;
}

/** Rows of a query, by a connection that is gone afterwards. */
async function ask<R extends pg.QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

const serverUrl = inject('serverUrl');
const [shown] = await ask<{ server_version_num: string }>(serverUrl, 'show server_version_num');
const serverVersion = Math.trunc(Number(shown!.server_version_num) / 10_000);
const hasPsql = versionOf('psql') > 0;
const hasDump = Math.min(versionOf('pg_dump'), versionOf('pg_restore')) >= serverVersion;

it('every block of the page is run here', () => {
  expect(Object.entries(BLOCKS).map(([heading, blocks]) => [heading, blocks.length])).toEqual([
    ['', 1],
    ['Reset', 1],
    ['A template with the fleet', 2],
    ['A template without the fleet', 2],
    ['A dump', 3],
  ]);
});

it('the variables of the page are those that a database is named by', () => {
  expect([...BLOCKS['']![0]!.matchAll(/(PG\w+)=/g)].map(([, variable]) => variable)).toEqual([
    'PGHOST',
    'PGPORT',
    'PGUSER',
    'PGPASSWORD',
    'PGDATABASE',
  ]);
});

// A pooler keeps connections to the database that is to be copied or dropped.
describe.skipIf(inject('poolerPort') !== 0)('after a run', { timeout: 180_000 }, () => {
  const database = useDatabase();
  let folder: string;
  let url: string;
  let fresh: Record<string, string[]>;
  let anchors: string[];

  const fleet: Pick<TestDatabase, 'query'> = {
    query: (sql, values) => ask(url, sql, values),
  };
  const count = async (condition: string): Promise<number> =>
    Number((await fleet.query<{ count: string }>(`select count(*) from ${condition}`))[0]!.count);
  const anchorsOf = async (): Promise<string[]> =>
    (await verify({ databaseUrl: url, fixtures: FLEET })).fixtures.flatMap((fixture) =>
      fixture.anchors.map(({ at }) => at),
    );

  /** The database's name, and those that are made beside it. */
  const name = (): string => new URL(url).pathname.slice(1);
  const copies = (): string[] => [`${name()}_ready`, `${name()}_migrated`];

  /** Runs a block of the page on a small fleet, with nothing replaced but names, and a word that PostgreSQL 14 does not know. */
  async function runBlock(block: string): Promise<void> {
    const [ready, migrated] = copies();
    const names: Record<string, string> = { certctl: name(), fleet_ready: ready!, migrated: migrated! };
    const script = block
      .replace(/#.*/g, '')
      .replace(/\b(certctl|fleet_ready|migrated)\b/g, (word) => names[word]!)
      .replace(/ strategy \w+/g, (words) => (serverVersion < 15 ? '' : words));
    const { hostname, port, username, password } = new URL(url);
    await promisify(execFile)('sh', ['-ec', script], {
      cwd: folder,
      env: {
        PATH: `${folder}:${process.env.PATH ?? ''}`,
        PGHOST: hostname,
        PGPORT: port,
        PGUSER: decodeURIComponent(username),
        PGPASSWORD: decodeURIComponent(password),
        PGDATABASE: name(),
      },
    });
  }

  /** What a run changes, what it leaves behind, and what somebody else adds and sets meanwhile. */
  async function leaveBehind(): Promise<void> {
    fresh = await snapshot(fleet, (anchors = await anchorsOf())[0]!);
    await ask(url, `${live(SIZED)}; ${leaving(SIZED)}`);
    await ask(
      url,
      `insert into agents (id, name, hostname, api_key_hash) values ('ag-later', 'later', 'later', 'x')`,
    );
    await ask(url, `alter database ${name()} set work_mem = '5MB'`);
    expect((await verify({ databaseUrl: url, fixtures: FLEET })).intact).toBe(false);
  }

  /** The fleet is what a fresh load makes of it, and nothing hangs on it. */
  async function expectFresh(later: 'kept' | 'gone'): Promise<void> {
    const { intact, fixtures } = await verify({ databaseUrl: url, fixtures: FLEET });
    expect({ intact, hanging: fixtures.map(({ hanging }) => hanging) }).toEqual({
      intact: true,
      hanging: [[], []],
    });
    expect(await count(`agents where id = 'ag-later'`)).toBe(later === 'kept' ? 1 : 0);
    expect(await count('audit_events')).toBe(later === 'kept' ? 2 * LEFTOVERS : 0);
    await ask(url, `delete from agents where id = 'ag-later'`);
    expect(await snapshot(fleet, (await anchorsOf())[0]!)).toEqual(fresh);
  }

  const hasSettings = (): Promise<number> =>
    count(`pg_db_role_setting where setdatabase = (select oid from pg_database
      where datname = current_database())`);
  const hasStatistics = async (): Promise<boolean> =>
    (await count(`pg_stats where tablename = 'managed_certificates'`)) > 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scale-seed-ways-'));
    await writeFile(
      join(folder, 'scale-seed'),
      `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@" ${SMALL.join(' ')}\n`,
    );
    await chmod(join(folder, 'scale-seed'), 0o755);
    return () => rm(folder, { recursive: true });
  });

  beforeEach(async () => {
    const tables = await readFile(new URL('support/dependent-tables.sql', import.meta.url), 'utf8');
    url = await database.another('', `${SCHEMA_SQL}; ${tables}`);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await seedParents(client).finally(() => client.end());
    await ask(url, OTHERS);
    return async () => {
      for (const copy of copies()) await ask(serverUrl, `drop database if exists ${copy} with (force)`);
    };
  });

  it('`reset` puts the fleet back on a fresh anchor, and touches nothing else', async () => {
    await runBlock('scale-seed load');
    await leaveBehind();
    await runBlock(BLOCKS.Reset![0]!);
    await expectFresh('kept');
    expect(await hasSettings()).toBe(1);
    expect((await anchorsOf())[0]).not.toBe(anchors[0]);
  });

  describe.skipIf(!hasPsql)('where there is psql', () => {
    it.each(serverVersion < 15 ? ['file_copy'] : ['file_copy', 'wal_log'])(
      'a template with the fleet, copied by %s, brings back all as it was',
      async (strategy) => {
        const [once, each] = BLOCKS['A template with the fleet']!;
        await runBlock(once!);
        await leaveBehind();
        await runBlock(each!.replace(/strategy \w+/, `strategy ${strategy}`));
        expect(await hasStatistics()).toBe(true);
        await expectFresh('gone');
        expect(await anchorsOf()).toEqual(anchors);
        expect(await hasSettings()).toBe(0);
      },
    );

    it('a template without the fleet is loaded anew', async () => {
      const [once, each] = BLOCKS['A template without the fleet']!;
      await runBlock(once!);
      await runBlock('scale-seed load');
      await leaveBehind();
      await runBlock(each!);
      await expectFresh('gone');
      expect((await anchorsOf())[0]).not.toBe(anchors[0]);
      expect(await hasSettings()).toBe(0);
    });
  });

  describe.skipIf(!hasPsql || !hasDump)("where pg_dump is of the server's version or later", () => {
    it.each([
      ['into the same database', 1, 1],
      ['into a new database', 2, 0],
    ])('a dump restored %s brings back all as it was', async (_, block, kept) => {
      const blocks = BLOCKS['A dump']!;
      await runBlock(blocks[0]!);
      await leaveBehind();
      await runBlock(blocks[block]!);
      expect(await hasStatistics()).toBe(true);
      await expectFresh('gone');
      expect(await anchorsOf()).toEqual(anchors);
      expect(await hasSettings()).toBe(kept);
    });
  });
});
