import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture, FixtureDefinition } from '../../src/fixtures/fixture.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

beforeAll(() =>
  database.query(
    `create domain few_letters as text check (length(value) < 6);
     create function nothing() returns trigger language plpgsql as 'begin return new; end'`,
  ),
);

afterEach(() => database.query('drop table if exists own'));

/** 1,500 rows, the 1,234th of which holds `odd` where the others hold `usual`. */
function fixtureOf(
  type: string,
  usual: unknown,
  odd: unknown,
  parts: Partial<FixtureDefinition> = {},
): Fixture {
  return defineFixture({
    name: 'own',
    table: 'own',
    count: 1500,
    columns: { id: 'text', note: 'text', value: type },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: 'a-' },
    *rows(first: number, last: number) {
      for (let g = first; g <= last; g++) yield [`a-${g}`, `two\nlines\r\n`, g === 1234 ? odd : usual];
    },
    ...parts,
  });
}

const run = (fixture: Fixture) => ({ databaseUrl: database.url, fixtures: [fixture], settle: false });

const createTable = (type: string) =>
  database.query(`create table own (id text primary key, note text, value ${type})`);

describe('a value that does not fit', () => {
  it.each([
    [
      'is too long for the fixture',
      'text',
      'varchar(5)',
      'abc',
      'abcdef',
      'value too long for type character varying(5)',
    ],
    [
      'is too long for the table',
      'varchar(5)',
      'text',
      'abc',
      'abcdef',
      'value too long for type character varying(5)',
    ],
    ['is no number', 'integer', 'integer', 1, 'many', 'invalid input syntax for type integer: "many"'],
    [
      'is too large for the fixture',
      'bigint',
      'integer',
      1,
      3e9,
      'value "3000000000" is out of range for type integer',
    ],
    ['is too large for the table', 'smallint', 'integer', 1, 70_000, 'smallint out of range'],
    ['has too many digits', 'numeric(4,2)', 'numeric', 1, 1000, 'numeric field overflow'],
    ['is no JSON', 'jsonb', 'jsonb', {}, '\0', 'unsupported Unicode escape sequence'],
    [
      'is no time',
      'timestamptz',
      'timestamptz',
      '2026-01-01',
      '2026-02-30',
      'date/time field value out of range',
    ],
  ])('since it %s is named by row and column', async (_, tableType, type, usual, odd, message) => {
    await createTable(tableType);
    const expected = expect.stringContaining(`fixture own: row 1234, column value: ${message}`) as string;
    const fixture = fixtureOf(type, usual, odd);
    await expect(load(run(fixture))).rejects.toMatchObject({ code: 'fixture', message: expected });
    await expect(reset(run(fixture))).rejects.toMatchObject({ code: 'fixture', message: expected });
    expect(await database.value('select count(*) from own')).toBe('0');
  });

  it.each([
    ['by set', ''],
    ['row by row', 'create trigger own before update on own for each row execute function nothing()'],
  ])('is named in rows that are only put back, %s', async (_, trigger) => {
    await createTable('few_letters');
    await database.query(trigger);
    await load(run(fixtureOf('text', 'abc', 'abc')));
    await expect(reset(run(fixtureOf('text', 'abc', 'abcdef')))).rejects.toMatchObject({
      message: expect.stringMatching(
        /^fixture own: row 1234, column value: value for domain few_letters violates check/,
      ) as string,
    });
  });

  it('is named among rows of which some stand', async () => {
    await createTable('varchar(5)');
    await database.query(`insert into own values ('a-17', '', '')`);
    await expect(load(run(fixtureOf('text', 'abc', 'abcdef')))).rejects.toMatchObject({
      message: 'fixture own: row 1234, column value: value too long for type character varying(5)',
    });
  });

  it('is named without a row where all rows have it', async () => {
    await createTable('varchar(5)');
    const fixture = fixtureOf('text', 'x', 'x', {
      columns: { id: 'text' },
      constants: { note: { type: 'text', value: '' }, value: { type: 'text', value: 'too long' } },
      *rows(first, last) {
        for (let g = first; g <= last; g++) yield [`a-${g}`];
      },
    });
    await expect(load(run(fixture))).rejects.toMatchObject({
      message: 'fixture own: column value: value too long for type character varying(5)',
    });
  });

  it('of a domain is named, since the domain goes with the column', async () => {
    await database.query(`create domain word as text check (value <> 'odd')`);
    await createTable('word');
    await expect(load(run(fixtureOf('text', 'abc', 'odd')))).rejects.toMatchObject({
      code: 'fixture',
      message: expect.stringMatching(
        /^fixture own: row 1234, column value: value for domain word violates/,
      ) as string,
    });
    await database.query('drop table own; drop domain word');
  });

  it('is named beside one of another kind in another column', async () => {
    await database.query('create table own (id text primary key, note smallint, value varchar(5))');
    const fixture = fixtureOf('text', 'abc', 'abc', {
      columns: { id: 'text', note: 'integer', value: 'text' },
      *rows(first, last) {
        for (let g = first; g <= last; g++)
          yield [`a-${g}`, g === 900 ? 70_000 : 1, g === 800 ? 'abcdef' : 'abc'];
      },
    });
    await expect(load(run(fixture))).rejects.toMatchObject({
      message: expect.stringContaining('fixture own: row 800, column value: value too long') as string,
    });
  });

  it('in an array of a type with a length is not cut', async () => {
    await createTable('varchar(5)[]');
    const fixture = fixtureOf('text', '', '', {
      columns: { id: 'text', note: 'text' },
      derived: { value: { type: 'varchar(5)[]', arrayOf: 'id' } },
      *rows(first, last) {
        for (let g = first; g <= last; g++) yield [`a-${g}`, ''];
      },
    });
    await expect(load(run(fixture))).rejects.toMatchObject({
      message: 'fixture own: row 1000, column value: value too long for type character varying(5)',
    });
  });

  it('of a check of the table is told as PostgreSQL tells it', async () => {
    await createTable(`text check (value <> 'odd')`);
    await expect(load(run(fixtureOf('text', 'abc', 'odd')))).rejects.toMatchObject({
      message: expect.stringMatching(
        /violates check constraint "own_value_check"; Failing row contains \(a-1234/,
      ) as string,
    });
  });
});

describe('a generator that makes other rows each time', () => {
  const random = (from: number): Partial<FixtureDefinition> => ({
    *rows(first, last) {
      for (let g = first; g <= last; g++) yield [`a-${g}`, 'n', g < from ? 'x' : String(Math.random())];
    },
  });
  const refusal = {
    code: 'fixture',
    message: 'fixture own: its rows differ from one generation to the next, so that none can be known again',
  };

  it('is refused by load where that shows in its first rows', async () => {
    await createTable('text');
    await expect(load(run(fixtureOf('text', '', '', random(1))))).rejects.toMatchObject(refusal);
    expect(await database.value('select count(*) from own')).toBe('0');
  });

  it('is refused by verify in place of a drift', async () => {
    await createTable('text');
    const fixture = fixtureOf('text', '', '', random(1000));
    await load(run(fixture));
    await expect(verify(run(fixture))).rejects.toMatchObject(refusal);
  });

  it('is not suspected because rows have drifted', async () => {
    await createTable('text');
    const fixture = fixtureOf('text', 'abc', 'abc');
    await load(run(fixture));
    await database.query(`update own set value = 'def' where id = 'a-7'; delete from own where id = 'a-8'`);
    expect((await verify(run(fixture))).fixtures[0]).toMatchObject({ driftedRows: 1, missing: { rows: 1 } });
  });
});

it('what ends a copy at some row, and has nothing to do with it, names none', async () => {
  await createTable('text');
  // More than is encoded ahead of the copy.
  const wide = fixtureOf('text', 'x'.repeat(2_000), 'x', { count: 5_000 });
  const cancelled: Fixture = {
    ...wide,
    async *rows(first, last) {
      let g = first;
      for await (const row of wide.rows(first, last)) {
        if (g++ === 4_000) {
          await database.untilSession(`query ilike '%copy %from stdin%' and state = 'active'`);
          await database.query(
            `select pg_cancel_backend(pid) from pg_stat_activity
             where pid <> pg_backend_pid() and datname = current_database() and query ilike '%copy %from stdin%'`,
          );
        }
        yield row;
      }
    },
  };
  await expect(load(run(cancelled))).rejects.toMatchObject({
    phase: 'copy',
    message: expect.stringMatching(/^fixture own, copy: canceling statement due to user request/) as string,
  });
});
