import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded, stopEmbedded } from '../../src/embedded/index.js';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';
import { asTyped, type BadInput, type Place } from './bad-input.js';
import { FIXTURES, SOURCES } from './fixtures.js';
import { NAMES } from './names.js';
import { SERVERS, SNOWMAN } from './servers.js';
import { TABLES } from './tables.js';
import { URLS } from './urls.js';

const database = useDatabase();
const standby = { dataDirectory: join(tmpdir(), `scale-seed-standby-${process.pid}`) };
const place = {} as Place;
const rows: string[][] = [];
/** Clients of the databases of other kinds. */
const others: pg.Client[] = [];
let own: pg.Client | undefined;
let role: string;

beforeAll(async () => {
  place.folder = await mkdtemp(join(tmpdir(), 'scale-seed-bad-'));
  for (const [name, source] of SOURCES) await writeFile(join(place.folder, name), source);
  await writeFile(join(place.folder, 'snowman.mjs'), SNOWMAN);
  await writeFile(join(place.folder, 'open'), 'h:5432:d:u:s3cret\n');
  await chmod(join(place.folder, 'open'), 0o644);
  role = await database.role();
  const login = new URL(database.directUrl);
  place.url = login.href;
  [login.username, login.password] = [role, 'pw'];
  place.roleUrl = login.href;
  place.latin1Url = await database.another(`encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`, SCHEMA_SQL);
  place.asciiUrl = await database.another(`encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'`, SCHEMA_SQL);
  // PostgreSQL 15 brought the collations of ICU to whole databases.
  const hasIcu = await database.value(`select count(*) > 0 from pg_collation where collprovider = 'i'
    and current_setting('server_version_num')::int >= 150000`);
  const locale = hasIcu === true ? `locale_provider icu icu_locale 'en-US'` : '';
  place.icuUrl = await database.another(`encoding 'UTF8' ${locale}`, SCHEMA_SQL);
  for (const url of [place.latin1Url, place.asciiUrl, place.icuUrl]) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    others.push(client);
  }
  place.standbyUrl = await startStandby();
});

afterAll(async () => {
  await Promise.all(others.map((client) => client.end()));
  await stopEmbedded(standby);
  await rm(standby.dataDirectory, { recursive: true, force: true });
  await rm(place.folder, { recursive: true, force: true });
});

/** A server that was stopped and comes up as a standby, whose primary does not answer. */
async function startStandby(): Promise<string> {
  const primary = await startEmbedded(standby);
  await primary.stop();
  await writeFile(join(standby.dataDirectory, 'data', 'standby.signal'), '');
  return (await startEmbedded({ ...standby, keepRunning: true })).url;
}

/** Rows of all tables of all databases. */
async function countRows(): Promise<number> {
  own ??= await database.client();
  const clients = [own, ...others];
  const counts = await Promise.all(clients.map(countRowsOf));
  return counts.reduce((sum, count) => sum + count);
}

async function countRowsOf(client: pg.Client): Promise<number> {
  const { rows: tables } = await client.query<{ sql: string }>(
    `select format('select count(*) from only %s', oid::regclass) as sql from pg_class
     where relkind = 'r' and relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')`,
  );
  const { rows: counts } = await client.query<{ count: string }>(
    `select sum(count) as count from (${tables.map(({ sql }) => sql).join(' union all ')}) as counts`,
  );
  return Number(counts[0]?.count);
}

/** What differs from run to run, put in general terms. */
function generalize(text: string): string {
  const { pathname, host, password } = new URL(place.url);
  return [
    [new URL(place.standbyUrl).host, 'standby:5432'],
    [host, 'localhost:5432'],
    [password, 'pw'],
    [role, 'role'],
    [place.folder, '~'],
    [encodeURIComponent(standby.dataDirectory), '~'],
    [pathname, '/db'],
  ]
    .reduce((general, [here = '', common = '']) => general.replaceAll(here, common), text)
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*\+00/g, 'TIME');
}

describe.each([
  ['Names', NAMES],
  ['Fixtures', FIXTURES],
  ['Tables', TABLES],
  ['Servers and roles', SERVERS],
  ['URLs', URLS],
])('%s', (group, inputs) => {
  it.each(inputs as BadInput[])(
    '$what',
    async ({ what, typed, env = {}, before, after, exit, printed, added = 0 }) => {
      const asRole = (sql: string): string => sql.replaceAll('ROLE', role);
      if (before !== undefined) await database.query(asRole(before));
      const rowsBefore = await countRows();
      const args = typed(place);
      const given = args.includes('--database-url') ? env : { DATABASE_URL: place.url, ...env };
      const outcome = await run([...args, '--no-progress'], given);
      const rowsAfter = await countRows();
      if (after !== undefined) await database.query(asRole(after));
      rows.push([
        group,
        what,
        generalize(
          `${Object.entries(env)
            .map(([name, value]) => `${name}=${value} `)
            .join('')}${asTyped(args)}`,
        ),
        generalize(outcome.stderr.trim()),
        String(outcome.code),
        `${rowsBefore} → ${rowsAfter}`,
      ]);
      expect(outcome.stderr).toMatch(printed);
      expect(outcome.code).toBe(exit);
      expect(rowsAfter - rowsBefore).toBe(added);
      expect(outcome.stdout + outcome.stderr).not.toMatch(/s3cret|this is a bug|\n\s+at /);
      if (exit === 1) expect(outcome.stderr).toMatch(/\n {2}now: /);
    },
  );
});

describe('the table of all of them', () => {
  it('is as it was read', async ({ skip }) => {
    const version = String(await database.value('show server_version'));
    skip(!version.startsWith('18'), 'other versions of PostgreSQL put some things differently');
    const code = (line: string): string => (line.includes('`') ? `\`\` ${line} \`\`` : `\`${line}\``);
    const cell = (text: string): string => text.replaceAll('|', '\\|').split(/\n */).map(code).join(' <br> ');
    const groups = [...new Set(rows.map(([group]) => group))].map((group) => {
      const own = rows
        .filter(([of]) => of === group)
        .map(
          ([, what = '', typed = '', printed = '', code = '', added = '']) =>
            `| ${what} | ${cell(typed)} | ${cell(printed)} | ${code} | ${added} |`,
        );
      const head = '| what | typed | printed | exit | rows |\n| --- | --- | --- | ---: | ---: |';
      return `## ${group ?? ''}\n\n${head}\n${own.join('\n')}\n`;
    });
    await expect(`# Bad and hostile input, and what comes of it\n\n${groups.join('\n')}`).toMatchFileSnapshot(
      './bad-input.md',
    );
  });
});
