import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { clean } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { manifest } from '../../src/operations/manifest.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

/** By foreign keys' own triggers, and without them. */
const ROLES = ['a superuser', 'a role that may do no more than it must'] as const;
const urls = new Map<string, string>();

beforeEach(async () => {
  const role = await database.role();
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'pw'];
  urls.set(ROLES[0], database.url).set(ROLES[1], url.href);
  await database.query(
    `truncate agents, managed_certificates cascade;
     grant select, insert, update, delete on all tables in schema public to ${role}`,
  );
});

afterEach(async () => {
  await database.query(`drop function if exists act cascade; alter table agents disable row level security`);
});

const fixtures = [sizedAgents(20)];
const on = (who: string) => ({ databaseUrl: urls.get(who)!, fixtures, settle: false });

/** A trigger of agents that does as its body says. */
const trigger = (when: string, body: string, constraint = false): string =>
  `create function act() returns trigger language plpgsql security definer as 'begin ${body} end';
   create ${constraint ? 'constraint' : ''} trigger act ${when.replace('TABLE', 'agents')}
     ${constraint ? 'deferrable initially deferred' : ''} for each row execute function act()`;

/** Changes the table while an operation, which has looked at it, waits for it. */
async function whileAt<T>(change: string, operation: () => Promise<T>): Promise<T> {
  const other = await database.client();
  // Readers go on; whoever is to write waits.
  await other.query('begin; lock table agents in share row exclusive mode');
  const running = operation();
  running.catch(() => undefined);
  await database.untilSession(`wait_event_type = 'Lock'`);
  await other.query(change);
  await other.query('commit');
  return running;
}

const count = (): Promise<unknown> => database.value('select count(*)::int from agents');

describe.each(ROLES)('what has changed on the table since it was looked at, to %s', (who) => {
  it('as a deferred trigger that deletes what a load inserts, is no success', async () => {
    const gone = trigger('after insert on TABLE', 'delete from agents where id = new.id; return null;', true);
    const { fixtures: loaded } = await whileAt(gone, () => load(on(who)));
    expect(loaded[0]).toMatchObject({ inserted: 0, blocked: 20, present: 0 });
    expect(await count()).toBe(0);
  });

  it('as a trigger that keeps rows out, is named', async () => {
    const { fixtures: loaded } = await whileAt(trigger('before insert on TABLE', 'return null;'), () =>
      load(on(who)),
    );
    expect(loaded[0]).toMatchObject({ blocked: 20, present: 0, firstBlocked: { by: 'trigger act' } });
  });

  it.each<typeof load | typeof reset>([load, reset])(
    'as a column that has another name, is told as that: %o',
    async (operation) => {
      if (operation === reset) await load(on(who));
      const renamed = whileAt<unknown>('alter table agents rename column os to system', () =>
        operation(on(who)),
      );
      await expect(renamed).rejects.toMatchObject({
        code: 'schema',
        fixture: 'scale_agents',
        message: expect.stringContaining('has no column os') as string,
      });
      await database.query('alter table agents rename column system to os');
    },
  );

  it.each([
    ['deletes nothing', 'return null;'],
    ['changes rows that are to go', `update agents set os = ''x'' where id = old.id; return null;`],
  ])('as a trigger that %s, fails clean', async (_, body) => {
    await load(on(who));
    const cleaning = whileAt(trigger('before delete on TABLE', body), () => clean(on(who)));
    await expect(cleaning).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('20 of its rows still stand after they were deleted') as string,
    });
    expect(await count()).toBe(20);
  });

  it('as a trigger that has its own mind of an update, is in the report of reset', async () => {
    await load(on(who));
    const { fixtures: restored } = await whileAt(
      trigger('before update on TABLE', `new.os = ''x''; return new;`),
      () => reset(on(who)),
    );
    expect(restored[0]?.overruled).toMatchObject([{ column: 'os', rows: 20 }]);
    expect((await verify(on(who))).fixtures[0]?.drift).toMatchObject([{ column: 'os', rows: 20 }]);
  });
});

it.each([
  ['of the fleet', 'agents', ''],
  ['that refer to it, of a clean by set,', 'deployment_targets', 'set on parameter session_replication_role'],
])('rows %s that row security hides from then on fail clean', async (_, table, right) => {
  const role = new URL(urls.get(ROLES[1])!).username;
  if (right !== '' && Number(await database.value('show server_version_num')) < 150_000) return;
  await load(on(ROLES[1]));
  const refer = `insert into deployment_targets select 'of-' || id, id from agents`;
  if (right !== '') await database.query(`${refer}; grant ${right} to ${role}`);
  const other = await database.client();
  await other.query(`begin; alter table ${table} enable row level security`);
  const cleaning = clean(on(ROLES[1]));
  cleaning.catch(() => undefined);
  await database.untilSession(`wait_event_type = 'Lock'`);
  await other.query('commit');
  await expect(cleaning).rejects.toMatchObject({ code: 'privilege' });
  expect(await count()).toBe(20);
  await database.query(`alter table ${table} disable row level security`);
  if (right !== '') await database.query(`revoke ${right} from ${role}`);
});

it('a row that another session adds is restored by a reset by row, too', async () => {
  await load(on(ROLES[1]));
  await database.query(`delete from agents where id = 'ag-scale-00000007'`);
  const other = await database.client();
  await other.query(`begin; insert into agents (id, name, hostname, api_key_hash)
    values ('ag-scale-00000007', 'loadtest-scale-agent-00000007', 'x', 'x')`);
  const resetting = reset(on(ROLES[1]));
  resetting.catch(() => undefined);
  await database.untilSession(`wait_event_type = 'Lock'`);
  await other.query('commit');
  expect((await resetting).fixtures[0]).toMatchObject({ restored: 20, inserted: 0 });
  expect((await verify(on(ROLES[1]))).intact).toBe(true);
});

it.each(ROLES)('a reset by %s ends beside a writer that never rests, after one look', async (who) => {
  const certificates = { databaseUrl: urls.get(who)!, fixtures: [sizedCertificates(300)], settle: false };
  await load(certificates);
  const other = await database.client();
  const rest = new AbortController();
  const writing = (async () => {
    for (let job = 0; !rest.signal.aborted; job++)
      await other.query(
        `insert into jobs (id, certificate_id) values ('job-${job}', 'cert-loadtest-scale-00000001')`,
      );
  })();
  await database.until('select count(*) > 50 from jobs');
  const notices: string[] = [];
  const { fixtures: restored } = await reset({
    ...certificates,
    onEvent: (event) => event.type === 'notice' && notices.push(event.message),
  });
  rest.abort();
  await writing;
  const [dependents] = restored[0]!.dependents;
  expect(dependents).toMatchObject({ table: 'public.jobs', effect: 'deleted' });
  expect(notices).toEqual([
    `scale_certs: what hangs on it is deleted: ${dependents!.rows.toLocaleString('en')} rows of public.jobs`,
  ]);
});

describe('to a look at one moment, a table that is rewritten while it is waited for', () => {
  it.each([
    ['by alter', `alter table agents alter column version type varchar(50) using version || ''`],
    [
      'by a reset in exclusive mode',
      'create temp table kept as table agents; truncate agents cascade; insert into agents table kept',
    ],
  ])('%s still holds its rows', async (_, change) => {
    await load(on(ROLES[0]));
    for (const look of [verify, manifest]) {
      const other = await database.client();
      await other.query('begin; lock table agents in access exclusive mode');
      const looking = look(on(ROLES[1]));
      looking.catch(() => undefined);
      await database.untilSession(`wait_event_type = 'Lock'`);
      await other.query(change);
      await other.query('commit; drop table if exists kept');
      const { fixtures: found } = await looking;
      expect(found[0]).toMatchObject(look === verify ? { intact: true } : { standing: [{ present: 20 }] });
    }
  });
});
