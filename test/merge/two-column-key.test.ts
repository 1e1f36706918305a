import { beforeEach, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { clean, type CleanPlan } from '../../src/operations/clean.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

/** Three places in each of two racks: no column alone tells one row from another. */
const slots = defineFixture({
  name: 'slots',
  table: 'slots',
  count: 6,
  columns: { rack: 'text', place: 'integer', label: 'text' },
  constants: { state: { type: 'text', value: 'free' } },
  conflictKeys: [['rack', 'place'], ['label']],
  mark: { column: 'label', prefix: 'slot-' },
  *rows(first, last) {
    for (let g = first; g <= last; g++) {
      const [rack, place] = [g <= 3 ? 'r-1' : 'r-2', ((g - 1) % 3) + 1];
      yield [rack, place, `slot-${g}`];
    }
  },
});

const run = () => ({ databaseUrl: database.url, fixtures: [slots], settle: false });

/** Rows of somebody else's, in one of the fixture's racks or at one of its places. */
const OTHERS = `('r-1', 9, 'x-1', 'real'), ('r-9', 1, 'x-2', 'real')`;

beforeEach(async () => {
  await database.query(
    `drop table if exists cables, slots;
     create table slots (rack text, place int, label text unique, state text, primary key (rack, place));
     create table cables (id int primary key, at int, in_rack text,
       foreign key (at, in_rack) references slots (place, rack) on delete cascade);
     insert into slots values ${OTHERS}`,
  );
});

const rowsOfOthers = (): Promise<unknown> =>
  database.query(`select rack, place, label from slots where state = 'real' order by rack`);

const untouched = [
  { rack: 'r-1', place: 9, label: 'x-1' },
  { rack: 'r-9', place: 1, label: 'x-2' },
];

describe('a key of two columns', () => {
  it('tells rows apart that share one of them, and from those of somebody else’s', async () => {
    expect((await load(run())).fixtures[0]).toMatchObject({ inserted: 6, skipped: 0, present: 6 });
    await database.query(`delete from slots where rack = 'r-2' and place = 3`);
    expect((await load({ ...run(), dryRun: true })).fixtures[0]).toMatchObject({ inserted: 1, skipped: 5 });
    expect((await load(run())).fixtures[0]).toMatchObject({ inserted: 1, skipped: 5, present: 6 });
    expect((await verify(run())).intact).toBe(true);
    expect(await rowsOfOthers()).toEqual(untouched);
  });

  it('names the row that drifted, is missing, or was not expected', async () => {
    await load(run());
    await database.query(
      `update slots set state = 'taken' where rack = 'r-1' and place = 2;
       delete from slots where rack = 'r-2' and place = 1;
       insert into slots values ('r-2', 9, 'slot-9', 'free')`,
    );
    expect((await verify(run())).fixtures[0]).toMatchObject({
      drift: [{ column: 'state', rows: 1, examples: [{ key: 'r-1/2', expected: 'free', found: 'taken' }] }],
      missing: { rows: 1, examples: ['r-2/1'] },
      unexpected: { rows: 1, examples: ['r-2/9'] },
    });
  });

  it('that another row holds is named whole', async () => {
    await database.query(`update slots set label = 'slot-5' where rack = 'r-9'`);
    const firstBlocked = { key: 'r-2/2', by: 'row r-9/1, which has the same label' };
    expect((await load(run())).fixtures[0]).toMatchObject({ inserted: 5, blocked: 1, firstBlocked });
    expect((await load({ ...run(), dryRun: true })).fixtures[0]).toMatchObject({ blocked: 1, firstBlocked });
    expect((await verify(run())).fixtures[0]?.missing).toMatchObject({ rows: 1, blocked: firstBlocked });
  });
});

it('a column that counts is no key where the key has another', async () => {
  const counting = defineFixture({
    ...slots,
    numberedKeys: { rack: { prefix: 'r-', digits: 1, suffix: '' } },
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`r-${g}`, 1, `slot-${g}`];
    },
  });
  const options = { ...run(), fixtures: [counting] };
  expect((await load(options)).fixtures[0]).toMatchObject({ inserted: 6, skipped: 0, present: 6 });
  expect((await load({ ...options, dryRun: true })).fixtures[0]).toMatchObject({ inserted: 0, skipped: 6 });
  expect((await clean(options)).fixtures[0]).toMatchObject({ deleted: 6 });
  expect(await rowsOfOthers()).toEqual(untouched);
});

/** A trigger that does nothing, for which foreign keys cannot be heeded by set. */
const TRIGGER = `create or replace function nothing() returns trigger language plpgsql as 'begin return null; end';
  create trigger own before update on slots execute function nothing()`;

describe.each([
  ['set', ''],
  ['row', TRIGGER],
])('by %s, of rows with a key of two columns', (way, trigger) => {
  beforeEach(async () => {
    await load(run());
    await database.query(
      `${trigger}; insert into cables values (1, 1, 'r-1'), (2, 3, 'r-2'), (3, 9, 'r-1'), (4, 1, 'r-9')`,
    );
  });

  const cables = [{ table: 'public.cables', rows: 2 }];
  const idsOfCables = (): Promise<unknown> => database.value('select json_agg(id order by id) from cables');

  it('reset restores each, and deletes what hangs on any of them alone', async () => {
    // Rows of one place have swapped their labels.
    await database.query(
      `update slots set label = rack || '-' where place = 2;
       update slots set label = case rack when 'r-1' then 'slot-5' else 'slot-2' end where place = 2`,
    );
    expect((await verify(run())).fixtures[0]).toMatchObject({ hanging: cables, driftedRows: 2 });
    const { foreignKeys, fixtures } = await reset(run());
    expect(foreignKeys.check).toBe(way);
    expect(fixtures[0]).toMatchObject({ restored: 6, inserted: 0, dependents: cables });
    expect((await verify(run())).intact).toBe(true);
    expect(await idsOfCables()).toEqual([3, 4]);
    expect(await rowsOfOthers()).toEqual(untouched);
  });

  it('clean deletes each and no other, and says so beforehand', async () => {
    const plans: CleanPlan[] = [];
    const confirm = (plan: CleanPlan): Promise<boolean> => Promise.resolve(plans.push(plan) > 0);
    const { foreignKeys, fixtures } = await clean({ ...run(), confirm });
    expect(foreignKeys.check).toBe(way);
    expect(fixtures[0]).toMatchObject({ deleted: 6, dependents: cables });
    expect(plans).toMatchObject([{ rows: 6, dependents: cables }]);
    expect(await idsOfCables()).toEqual([3, 4]);
    expect(await rowsOfOthers()).toEqual(untouched);
    expect(await database.value('select count(*) from slots')).toBe('2');
  });
});
