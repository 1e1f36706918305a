import pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load, type LoadOptions } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { start } from '../support/command-line.js';
import { useDatabase, WAITS_FOR_TURN } from '../support/database.js';
import { TEMPLATE } from '../support/global-setup.js';

const database = useDatabase();
const pooled = inject('poolerPort') !== 0;
let holder: pg.Client;
let pid: number;
let notices: string[];
/** Called with each notice. */
let react: (message: string) => void;

beforeAll(async () => {
  holder = await database.client();
  pid = (await holder.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
});

beforeEach(async () => {
  await database.query('truncate managed_certificates, agents cascade');
  notices = [];
  react = () => undefined;
});

afterEach(async () => {
  await holder.query('rollback');
});

const options = (databaseUrl = database.url): LoadOptions => ({
  databaseUrl,
  fixtures: [sizedAgents(100)],
  onEvent: (event) => {
    if (event.type !== 'notice') return;
    notices.push(event.message);
    react(event.message);
  },
});

async function once(url: URL, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(sql);
  await client.end();
}

/** Lets the holder take a lock, and end its transaction as soon as anybody says that he waits. */
async function hold(lock: string): Promise<void> {
  await holder.query(`begin; ${lock}`);
  react = (message) => {
    if (message.includes('waiting')) void holder.query('rollback');
  };
}

describe('whoever waits for a lock says once whose it is', () => {
  const ONE_ROW = `insert into agents (id, name, hostname, api_key_hash) values ('ag-scale-00000050', 'x', 'x', 'x')`;
  const TIME = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`;

  it.each<[string, string, string, () => Promise<unknown>]>([
    ['load, for a table', 'lock table agents in share mode', 'scale_agents: ', () => load(options())],
    [
      'load, beside another that is done',
      'lock table agents in share mode',
      'scale_agents: ',
      () => load({ ...options(), fixtures: [sizedAgents(100), sizedCertificates(10)] }),
    ],
    ['load, before its work', 'lock table agents in access exclusive mode', '', () => load(options())],
    ['load, for a row', ONE_ROW, 'scale_agents: ', () => load(options())],
    [
      'load, for a parent',
      `select from owners where id = 'o-carol' for update`,
      'scale_certs: ',
      () => load({ ...options(), fixtures: [sizedCertificates(100)] }),
    ],
    [
      'load in exclusive mode',
      'select from agents',
      'scale_agents: ',
      () => load({ ...options(), mode: 'exclusive' }),
    ],
    ['reset', 'lock table agents in share mode', 'scale_agents: ', () => reset(options())],
    ['clean', 'lock table agents in share mode', 'scale_agents: ', () => clean(options())],
    ['VACUUM', 'lock table agents in share update exclusive mode', 'public.agents ', () => load(options())],
  ])('%s', async (name, lock, who, command) => {
    if (pooled && name === 'VACUUM') return;
    await hold(lock);
    await command();
    const text = `${who}waiting for a lock that is held by pid ${pid} \\(\\w+, test, in a transaction since ${TIME}\\)`;
    expect(notices).toEqual([expect.stringMatching(new RegExp(`^${text}$`))]);
  });

  it('and not those of a table with the same oid in another database', async () => {
    const [{ name }] = (await database.query<{ name: string }>(
      `select current_database() || '_twin' as name`,
    )) as [{ name: string }];
    const url = new URL(database.directUrl);
    const twin = new URL(url);
    [url.pathname, twin.pathname] = ['postgres', name];
    await once(url, `create database ${name} template ${TEMPLATE}`);
    const other = new pg.Client({ connectionString: twin.href });
    await other.connect();
    await other.query('begin; lock table agents in access exclusive mode');
    await holder.query('begin; lock table agents in share mode');
    await expect(
      load({ ...options(), settle: false, mode: 'exclusive', lockTimeoutMs: 300 }),
    ).rejects.toMatchObject({
      message: expect.stringMatching(new RegExp(`held by pid ${pid} [^)]*\\)$`)) as string,
    });
    await other.end();
    await once(url, `drop database ${name}`);
  });

  it('a role that sees little of others says what it sees', async () => {
    const role = await database.role();
    await database.query(`grant select, insert on agents to ${role}`);
    await database.query(`grant select on managed_certificates to ${role}`);
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'pw'];
    await hold('lock table agents in share mode');
    await load({ ...options(url.href), settle: false });
    expect(notices).toEqual([expect.stringMatching(/^scale_agents: waiting .* pid \d+ \(\w+, test\)$/)]);
  });

  it('a role that has taken another, and may not see what it does itself', async () => {
    const [login, taken] = [await database.role(), await database.role()];
    await database.query(
      `alter role ${login} noinherit; grant ${taken} to ${login}; grant select, insert on agents to ${taken};
       grant select on managed_certificates to ${taken}`,
    );
    const url = new URL(database.directUrl);
    [url.username, url.password] = [login, 'pw'];
    await hold('lock table agents in share mode');
    await load({ ...options(`${url.href}?options=-c%20role%3D${taken}`), settle: false });
    expect(notices).toEqual([expect.stringMatching(/^scale_agents: waiting .* pid \d+/)]);
    await database.query(`revoke ${taken} from ${login}`);
  });

  it('another loader of the same fixture is told of once, and so is whoever that one waits for', async () => {
    await holder.query('begin; lock table agents in share mode');
    const others: string[] = [];
    const first = load({
      ...options(),
      settle: false,
      onEvent: (event) => event.type === 'notice' && others.push(event.message),
    });
    await database.untilSession(`wait_event_type = 'Lock'`);
    const second = load({ ...options(), settle: false });
    await database.untilSession(
      `(wait_event_type = 'Lock' or ${WAITS_FOR_TURN}) and now() - xact_start > '2s'`,
      2,
    );
    await holder.query('rollback');
    await first;
    // It looks again, and has nothing to send.
    expect((await second).fixtures[0]).toMatchObject({ merge: 'none', copiedBytes: 0, skipped: 100 });
    expect(others).toEqual([expect.stringContaining(`held by pid ${pid} `)]);
    expect(notices).toEqual([
      expect.stringMatching(
        /^another .* on scale_agents: waiting for pid \d+ \(\w+, scale-seed, .*\) to finish$/,
      ),
    ]);
  });
});

describe.skipIf(pooled)('a VACUUM of a table that somebody has locked', () => {
  beforeEach(async () => {
    await holder.query('begin; lock table agents in share update exclusive mode');
  });

  it('gives up when the limit of the role is over, and the load has succeeded', async () => {
    const url = `${database.url}?options=-c%20lock_timeout%3D200ms`;
    expect((await load(options(url))).fixtures[0]?.inserted).toBe(100);
    expect(notices).toEqual([
      expect.stringMatching(
        new RegExp(`^public.agents is not vacuumed, since it stays locked by pid ${pid} `),
      ),
    ]);
  });

  it('is told of a role that wants to hear of nothing, too', async () => {
    const url = `${database.url}?options=-c%20lock_timeout%3D200ms%20-c%20client_min_messages%3Derror`;
    await load(options(url));
    expect(notices).toEqual([
      expect.stringContaining('public.agents is not vacuumed, since it stays locked'),
    ]);
  });

  it('ends when its loader is killed', async () => {
    const loading = start(['load', '--certs', '0', '--agents', '100', '--database-url', database.url]);
    await database.untilSession(`query like 'vacuum%'`);
    loading.kill('SIGKILL');
    await loading.outcome;
    await database.untilNoSession();
  });

  it('ends when its loader is killed, though it waits for an index', async () => {
    const url = `${database.directUrl}?options=-c%20lock_timeout%3D10min`;
    const loading = start(['load', '--certs', '0', '--agents', '100', '--database-url', url]);
    await database.untilSession(`query like 'vacuum%'`);
    const other = await database.client();
    await other.query('begin; alter index agents_pkey set tablespace pg_default');
    await holder.query('rollback');
    await database.untilSession(`query like 'vacuum%' and wait_event_type = 'Lock'`);
    loading.kill('SIGKILL');
    await loading.outcome;
    await database.untilNoSession();
    await other.query('rollback');
  });
});
