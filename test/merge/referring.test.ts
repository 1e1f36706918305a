import { beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { clean, type CleanOptions } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset, type ResetOptions } from '../../src/operations/reset.js';
import { useDatabase, WAITS_FOR_TURN } from '../support/database.js';

const database = useDatabase();

/** Without keys that count, so that the rows have to be sent. */
const OWN = defineFixture({
  name: 'own',
  table: 'own',
  count: 12,
  columns: { id: 'text', kind: 'text' },
  conflictKeys: [['id']],
  mark: { column: 'id', prefix: 'own-' },
  *rows(first, last) {
    for (let g = first; g <= last; g++) yield [`own-${g}`, 'own'];
  },
});

const run = { databaseUrl: '', fixtures: [OWN], settle: false };

beforeEach(async () => {
  run.databaseUrl = database.url;
  await database.query('drop table if exists notes, own');
  await database.query('create table own (id text primary key, kind text)');
  await load(run);
});

/** As many rows that refer to the fixture's, by a key that does so on delete. */
const refer = (onDelete: string): Promise<unknown> =>
  database.query(
    `create table notes (id serial primary key, own_id text references own on delete ${onDelete});
     insert into notes (own_id) select id from own`,
  );

const referring = (): Promise<unknown> => database.value('select count(own_id) from notes');

describe('rows that hang on others are left by a reset that is to keep them', () => {
  it.each([
    ['cascade', 'always'],
    ['cascade', 'replica'],
    ['set null', 'always'],
    ['set null', 'replica'],
  ])('by a key on delete %s whose triggers are set to work %s', async (onDelete, when) => {
    await refer(onDelete);
    await database.query(`do $$ declare t record; begin
      for t in select tgname, tgrelid::regclass as relation from pg_trigger where tgisinternal
        and tgconstraint = (select oid from pg_constraint where conname = 'notes_own_id_fkey')
      loop execute format('alter table %s enable ${when} trigger %I', t.relation, t.tgname); end loop; end $$`);
    const { fixtures } = await reset({ ...run, keepDependents: true });
    expect(fixtures[0]).toMatchObject({ restored: 12, kept: [{ table: 'public.notes', rows: 12 }] });
    expect(fixtures[0]!.foreignKeys.check).toBe('row');
    expect(await referring()).toBe('12');
  });
});

describe('clean leaves no row that refers to nothing', () => {
  it.each([
    ['a rule', 'create rule keep as on update to notes do instead nothing'],
    [
      'a trigger',
      `create or replace function keep() returns trigger language plpgsql as 'begin return null; end';
       create trigger keep before update on notes for each row execute function keep()`,
    ],
  ])('where %s keeps it from being emptied', async (_, sql) => {
    await refer('set null');
    await database.query(sql);
    await expect(clean(run)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('rows of public.notes that were to be set to null') as string,
    });
    expect(await database.value('select count(*) from own')).toBe('12');
    expect(await referring()).toBe('12');
  });
});

it('a reset says what it has deleted where the server keeps no counts', async () => {
  await refer('cascade');
  const databaseUrl = `${database.directUrl}?options=-c%20track_counts%3Doff`;
  expect((await reset({ ...run, databaseUrl })).fixtures[0]).toMatchObject({
    dependents: [{ table: 'public.notes', rows: 12, effect: 'deleted' }],
  });
  expect(await referring()).toBe('0');
});

it('a reset in exclusive mode leaves an invalid index as it is', async () => {
  await database.query(`create index bad on own (kind);
    update pg_index set indisvalid = false where indexrelid = 'bad'::regclass`);
  await reset({ ...run, mode: 'exclusive' });
  expect(await database.value(`select indisvalid from pg_index where indexrelid = 'bad'::regclass`)).toBe(
    false,
  );
});

describe('a fixture that somebody else is at work on', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['load', () => load(run)],
    ['reset', () => reset(run)],
    ['clean', () => clean(run)],
  ])('is waited for by %s, which keeps nobody else waiting', async (_, command) => {
    await refer('cascade');
    let answer: (isYes: boolean) => void = () => undefined;
    let asking: Promise<unknown> = Promise.resolve();
    await new Promise<void>((asked) => {
      const confirm = (): Promise<boolean> => {
        asked();
        return new Promise((resolve) => (answer = resolve));
      };
      asking = clean({ ...run, confirm });
    });
    const waiting = command();
    await database.untilSession(WAITS_FOR_TURN);
    // It waits for whoever holds a snapshot, whatever table that is about.
    await database.query('create index concurrently made_meanwhile on owners (name)');
    await database.query('drop index made_meanwhile');
    answer(false);
    await asking;
    await waiting;
  });
});

describe('an answer that is not true', () => {
  it.each<[string, unknown]>([
    ['false', false],
    ['nothing', undefined],
    ['a text', 'no'],
    ['an object', {}],
    ['a number', 1],
  ])('is no yes: %s', async (_, answer) => {
    await refer('cascade');
    const confirm = (() => Promise.resolve(answer)) as CleanOptions['confirm'] & ResetOptions['confirm'];
    expect((await clean({ ...run, confirm })).fixtures[0]).toMatchObject({ deleted: 0 });
    await expect(reset({ ...run, confirm })).rejects.toMatchObject({ code: 'conflict' });
    expect(await referring()).toBe('12');
  });
});
