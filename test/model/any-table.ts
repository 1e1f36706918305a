import fc from 'fast-check';
import { defineFixture } from '../../src/fixtures/define-fixture.js';
import { ANCHORED, type Fixture, type FixtureDefinition } from '../../src/fixtures/fixture.js';
import { quote } from '../../src/postgres/quote.js';

/** What identifies a row: how it is declared, what its column is, and the key of row g. */
interface Key {
  declared: string;
  column: string;
  of: (g: number) => unknown;
  /** Where it is a text that counts. */
  digits?: number;
  suffix?: string;
}

const PREFIX = 'k_%-';
const padded = (g: number): string => String(g).padStart(6, '0');

const KEYS: Record<string, Key> = {
  text: { declared: 'text', column: 'text', of: (g) => `${PREFIX}${g}` },
  counting: { declared: 'varchar(60)', column: 'varchar(60)', of: (g) => PREFIX + padded(g), digits: 6 },
  suffixed: { declared: 'text', column: 'text', of: (g) => `${PREFIX}${padded(g)}9`, digits: 6, suffix: '9' },
  citext: { declared: 'text', column: 'citext', of: (g) => PREFIX + padded(g), digits: 6 },
  caseless: { declared: 'text', column: 'text collate caseless', of: (g) => `${PREFIX}${g}` },
  char: { declared: 'text', column: 'char(30)', of: (g) => `${PREFIX}${g}` },
  bigint: { declared: 'bigint', column: 'numeric', of: (g) => g * 3 },
  numeric: { declared: 'numeric', column: 'numeric(10,2)', of: (g) => `${g}.500` },
  uuid: {
    declared: 'uuid',
    column: 'uuid',
    of: (g) => `A0EEBC99-9C0B-4EF8-BB6D-000000${padded(g)}`,
  },
  time: { declared: 'timestamptz', column: 'timestamptz(3)', of: (g) => new Date(g * 1000).toISOString() },
};

const TEXTS = [
  '',
  ' ',
  '\\.',
  '\\N',
  'NULL',
  '"',
  "it's",
  'a,b',
  '\n',
  'Ä\u{1F600}',
  '{}',
  '$1',
  'x'.repeat(300),
];

/** Types by how they are declared: columns that may take them, values, and one that none of these is. */
const TYPES: Record<string, { columns: string[]; values: unknown[]; other: string }> = {
  text: { columns: ['text', 'varchar', 'citext'], values: TEXTS, other: `'another'` },
  integer: { columns: ['integer', 'numeric', 'double precision'], values: [0, -1, 2147483647], other: '77' },
  bigint: { columns: ['bigint', 'numeric'], values: ['9223372036854775807', 12345678901234n], other: '77' },
  numeric: { columns: ['numeric', 'numeric(30,1)'], values: ['1.50', '-1e3', 'NaN'], other: '77' },
  jsonb: { columns: ['jsonb', 'json'], values: [{}, { 'ü"': "'" }, [null, 1]], other: `'{"another": 1}'` },
  'text[]': {
    columns: ['text[]', 'varchar(40)[]'],
    values: [[], ['', 'NULL', 'a,b', '"'], [null]],
    other: `'{another}'`,
  },
  bytea: { columns: ['bytea'], values: [Buffer.from([0, 255, 92]), Buffer.from('')], other: `'\\x77'` },
  date: {
    columns: ['date', 'timestamp'],
    values: ['2026-01-31', '0044-03-15 BC', 'infinity'],
    other: `'2001-01-01'`,
  },
  timestamptz: {
    columns: ['timestamptz', 'timestamptz(3)'],
    values: ['2026-01-31T01:02:03.000456+05:30'],
    other: `'2001-01-01'`,
  },
};

/** Columns that no fixture fills. */
const TABLES_OWN = [
  `plain text default 'as it is'`,
  'made timestamptz default now()',
  'serial_number serial',
  'row_number bigint generated always as identity',
  `generated text generated always as ('g') stored`,
];

const anyColumn = fc.constantFrom(...Object.keys(TYPES)).chain((type) =>
  fc.record({
    type: fc.constant(type),
    column: fc.constantFrom(...TYPES[type]!.columns),
    values: fc.array(fc.constantFrom(null, ...TYPES[type]!.values), { minLength: 1, maxLength: 5 }),
    isConstant: fc.boolean(),
  }),
);

const anyTime = fc.record({
  column: fc.constantFrom('timestamptz', 'timestamptz(0)', 'timestamptz(3)', 'date'),
  stepUs: fc.constantFrom(0, -60e6, 3600e6, 86_400e6, 12_345, -5_432_100),
  isOftenEmpty: fc.boolean(),
});

/** A fixture, the table that it is for, and what else stands and happens there. */
export const anyCase = fc.record({
  rows: fc.constantFrom(1, 2, 7, 40, 300, 1200, 5200),
  table: fc.constantFrom('things', 'Odd "T"'),
  key: fc.constantFrom(...Object.keys(KEYS)),
  name: fc.option(fc.constantFrom('text not null', 'varchar(100)', 'citext not null')),
  columns: fc.array(anyColumn, { maxLength: 3 }),
  times: fc.array(anyTime, { maxLength: 2 }),
  hasAnchorColumn: fc.boolean(),
  tablesOwn: fc.subarray(TABLES_OWN),
  isPartitioned: fc.boolean(),
  onDelete: fc.option(fc.constantFrom('cascade', 'restrict', 'set null')),
  trigger: fc.option(fc.constantFrom('before insert', 'before update', 'after update')),
  isOwner: fc.boolean(),
  modes: fc.tuple(fc.constantFrom('online', 'exclusive'), fc.constantFrom('online', 'exclusive')),
  /** One in how many rows stood before, goes, is changed, and has something hang on it; 0 for none. */
  stood: fc.constantFrom(0, 2, 3),
  gone: fc.constantFrom(0, 2, 5),
  changed: fc.constantFrom(0, 3, 11),
  hanging: fc.constantFrom(0, 4),
  isNameTaken: fc.boolean(),
  haveSwapped: fc.boolean(),
});

export type Case = typeof anyCase extends fc.Arbitrary<infer C> ? C : never;

/** PostgreSQL cannot spread all of them by hash. */
const isInParts = ({ isPartitioned, key }: Case): boolean =>
  isPartitioned && !['citext', 'caseless'].includes(key);

/** Whether the table has a second unique key; one that lacks a partition's own may not be. */
export const isNameUnique = (given: Case): boolean => given.name !== null && !isInParts(given);

/** The column of the case that is changed in rows, and to what. */
export function changeOf({ columns }: Case): { column: string; value: string } | undefined {
  const at = columns.findIndex(({ isConstant }) => !isConstant);
  return at === -1 ? undefined : { column: `v${at}`, value: TYPES[columns[at]!.type]!.other };
}

/** Makes the table in a schema. `number`, which every row has, is the row's. */
export function tableSql(given: Case, schema: string): string {
  const { table, key, name, columns, times, tablesOwn, onDelete, trigger } = given;
  const target = quote(schema, table);
  const parts = isInParts(given);
  const all = [
    `id ${KEYS[key]!.column} primary key, number integer, tag text`,
    ...(name === null ? [] : [`name ${name}${isNameUnique(given) ? ' unique' : ''}`]),
    ...columns.map(({ column }, i) => `v${i} ${column}`),
    ...times.map(({ column }, i) => `at${i} ${column}`),
    ...tablesOwn,
  ];
  const partition = (i: number): string =>
    `create table ${quote(schema, `part_${i}`)} partition of ${target} for values with (modulus 2, remainder ${i})`;
  return [
    `create table ${target} (${all.join(', ')})${parts ? ' partition by hash (id)' : ''}`,
    ...(parts ? [0, 1].map(partition) : []),
    `create table ${quote(schema, 'dependents')} (of ${KEYS[key]!.column} references ${target} on delete ${onDelete ?? 'no action'})`,
    ...(trigger === null
      ? []
      : [`create trigger own ${trigger} on ${target} for each row execute function nothing()`]),
  ].join('; ');
}

/** The fixture's first rows, or all of them. */
export function fixtureOf(given: Case, count: number = given.rows): Fixture {
  const { declared, of, digits, suffix = '' } = KEYS[given.key]!;
  const varying = given.columns.flatMap((column, i) =>
    column.isConstant ? [] : [{ ...column, name: `v${i}` }],
  );
  const constant = given.columns.flatMap(({ type, values, isConstant }, i) =>
    isConstant ? [[`v${i}`, { type, value: values[0] }] as const] : [],
  );
  const times = given.times.map((time, i) => ({ ...time, name: `at${i}` }));
  const timeOf = (g: number, { stepUs, isOftenEmpty }: Case['times'][0]): number | null =>
    isOftenEmpty && g % 4 === 1 ? null : stepUs * (g % 7);
  const anchorColumn = given.hasAnchorColumn && times.length > 1 ? times[0]!.name : undefined;
  const definition: FixtureDefinition = {
    name: 'any',
    table: given.table,
    count,
    columns: {
      id: declared,
      number: 'integer',
      tag: 'text',
      ...(given.name === null ? {} : { name: 'text' }),
      ...Object.fromEntries(varying.map(({ name, type }) => [name, type])),
      ...Object.fromEntries(times.map(({ name }) => [name, ANCHORED])),
    },
    constants: Object.fromEntries(constant),
    conflictKeys: [['id'], ...(isNameUnique(given) ? [['name']] : [])],
    mark: declared === 'text' ? { column: 'id', prefix: PREFIX } : { column: 'tag', prefix: 'ours' },
    ...(digits === undefined ? {} : { numberedKeys: { id: { prefix: PREFIX, digits, suffix } } }),
    anchorColumn,
    *rows(first, last) {
      for (let g = first; g <= last; g++)
        yield [
          of(g),
          g,
          'ours',
          ...(given.name === null ? [] : [`name-${g}`]),
          ...varying.map(({ values }) => values[g % values.length]),
          ...times.map((time) => timeOf(g, time)),
        ];
    },
  };
  return defineFixture(definition);
}

/** A row of somebody else's, of a key that the fixture does not have. */
export function strangerSql({ table, key, name }: Case, schema: string, itsName: string): string {
  const strange =
    { bigint: '-1', numeric: '-1', time: '1950-01-01', uuid: '99999999-0000-4000-8000-000000000000' }[key] ??
    'stranger';
  return `insert into ${quote(schema, table)} (id, tag${name === null ? '' : ', name'})
    values ('${strange}', 'theirs'${name === null ? '' : `, '${itsName}'`})`;
}
