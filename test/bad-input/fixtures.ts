import { join } from 'node:path';
import type { BadInput } from './bad-input.js';

/** Source of a fixture's module: agents unless told otherwise. */
function module(rows: string, more: Record<string, string> = {}): string {
  const parts = {
    name: `'own'`,
    table: `'agents'`,
    count: '5',
    columns: `{ id: 'text', name: 'text', hostname: 'text', api_key_hash: 'text' }`,
    conflictKeys: `[['id']]`,
    mark: `{ column: 'id', prefix: 'own-' }`,
    ...more,
  };
  const given = Object.entries(parts).map(([key, value]) => `  ${key}: ${value},\n`);
  return `export default {\n${given.join('')}  ${rows},\n};\n`;
}

const yields = (row: string): string =>
  `*rows(first, last) { for (let g = first; g <= last; g++) yield ${row}; }`;
const GOOD_ROW = '[`own-${g}`, `own-${g}`, `h`, `x`]';

/** A table of the user's own. */
const OWN = {
  table: `'own'`,
  columns: `{ id: 'text', number: 'integer', note: 'varchar(5)' }`,
};

interface BadFixture extends Omit<BadInput, 'typed'> {
  source: string;
  options?: string[];
}

const FIXTURES_AND_SOURCES: readonly BadFixture[] = [
  {
    what: 'a module that throws',
    source: `throw new Error('no fixture today');\n`,
    exit: 2,
    printed: /cannot use the fixture file .*own-1.mjs: no fixture today/,
  },
  {
    what: 'a module that is no JavaScript',
    source: 'export default {\n',
    exit: 2,
    printed: /cannot use the fixture file .*: Unexpected end of input \(.*own-2.mjs:2\)/,
  },
  {
    what: 'a module that awaits what never comes',
    source: 'await new Promise(() => undefined);\nexport default {};\n',
    exit: 2,
    printed: /cannot use the fixture file .*: its top-level await never settles/,
  },
  {
    what: 'a part that it does not have',
    source: module(yields(GOOD_ROW), { colums: '{}' }),
    exit: 2,
    printed: /fixture own: a fixture has no colums: did you mean columns\?/,
  },
  {
    what: 'the name of a frozen fixture',
    source: module(yields(GOOD_ROW), { name: `'01_bulk_renewal_certs'` }),
    exit: 2,
    printed: /two different fixtures are named 01_bulk_renewal_certs/,
  },
  {
    what: 'a type that the server does not know',
    source: module(yields('[`own-${g}`, g, `x`]'), {
      ...OWN,
      columns: `{ id: 'text', number: 'intger', note: 'text' }`,
    }),
    exit: 1,
    printed: /column number: the server has no type intger\n.*\n {2}try: did you mean integer\?/,
  },
  {
    what: 'a key that no unique index has',
    source: module(yields('[`own-${g}`, g, `x`]'), { ...OWN, conflictKeys: `[['id'], ['number']]` }),
    exit: 1,
    printed: /conflict key \(number\) is not a unique key of table own, which has \(id\)/,
  },
  {
    what: 'a mark on a number',
    source: module(yields('[`own-${g}`, g, `x`]'), { ...OWN, mark: `{ column: 'number', prefix: '1' }` }),
    exit: 2,
    printed: /its mark is on column number of type integer/,
  },
  {
    what: 'rows that differ each time',
    source: module(yields('[`own-${g}`, Math.floor(Math.random() * 1e9), `x`]'), OWN),
    exit: 1,
    printed: /fixture own: its rows differ from one generation to the next/,
  },
  {
    what: 'a name that is a statement',
    source: module(yields(GOOD_ROW), { name: `"own'; drop table agents; --"` }),
    exit: 2,
    printed: /name must be letters, digits/,
  },
  {
    what: 'a type that is a statement',
    source: module(yields(GOOD_ROW), { columns: `{ id: 'text); drop table agents; --' }` }),
    exit: 2,
    printed: /column id has no usable type/,
  },
  {
    what: 'a negative count',
    source: module(yields(GOOD_ROW), { count: '-1' }),
    exit: 2,
    printed: /count must be a whole number from 0 to 10000000/,
  },
  {
    what: 'parts that are null',
    source: module(yields(GOOD_ROW), { derived: 'null', constants: '{ os: null }' }),
    exit: 2,
    printed: /fixture own: derived must be an object/,
  },
  {
    what: 'a constant of another kind than its type',
    source: module(yields(GOOD_ROW), { constants: `{ os: { type: 'text', value: { name: 'linux' } } }` }),
    exit: 2,
    printed: /constant os: text or a number is wanted, not an object/,
  },
  {
    what: 'half of a surrogate pair in a constant',
    source: module(yields(GOOD_ROW), { constants: String.raw`{ os: { type: 'text', value: 'a\ud800' } }` }),
    exit: 2,
    printed: /constant os: a text holds half of a surrogate pair/,
  },
  {
    what: 'a table whose name is a statement',
    source: module(yields(GOOD_ROW), { table: `'agents"; drop table agents; --'` }),
    exit: 1,
    printed: /there is no table agents"; drop table agents; -- on the search_path/,
  },
  {
    what: 'a column whose name is a statement',
    source: module(yields(GOOD_ROW), {
      columns: `{ id: 'text', 'name"; drop table agents; --': 'text', hostname: 'text', api_key_hash: 'text' }`,
    }),
    exit: 1,
    printed: /table agents has no column name"; drop table agents; --/,
  },
  {
    what: 'rows that are no rows',
    source: module('rows: () => 5'),
    exit: 1,
    printed: /fixture own: rows returns nothing that could be iterated/,
  },
  {
    what: 'a generator that throws',
    source: module('*rows() { yield [`own-1`, `own-1`, `h`, `x`]; throw new Error(`no more agents`); }'),
    exit: 1,
    printed: /fixture own: row 2: no more agents\n {2}now: own: nothing was changed/,
  },
  {
    what: 'a generator that never settles',
    source: module('async *rows() { await new Promise(() => undefined); }'),
    options: ['--timeout', '1s'],
    exit: 1,
    printed: /the time limit of 1000 ms has run out\n {2}now: own: nothing was changed/,
  },
  {
    what: 'rows without end',
    source: module('*rows() { for (let g = 1; ; g++) yield [`own-${g}`, `own-${g}`, `h`, `x`]; }'),
    exit: 1,
    printed: /fixture own: row 6: yields more than the 5 rows|fixture own: yields more than the 5 rows/,
  },
  {
    what: 'fewer rows than declared',
    source: module('*rows() { yield [`own-1`, `own-1`, `h`, `x`]; }'),
    exit: 1,
    printed: /fixture own: ended after 1 of 5 rows/,
  },
  {
    what: 'rows with too few values',
    source: module(yields('[`own-${g}`]')),
    exit: 1,
    printed: /row 1: should be an array of 4 values, but is 1 values/,
  },
  {
    what: 'an object for a text',
    source: module(yields('[`own-${g}`, { g }, `h`, `x`]')),
    exit: 1,
    printed: /row 1, column name: text or a number is wanted, not an object/,
  },
  {
    what: 'a text for a number',
    source: module(yields('[`own-${g}`, `many`, `x`]'), OWN),
    exit: 1,
    printed: /row 1, column number: invalid input syntax for type integer: "many"/,
  },
  {
    what: 'a value that is too long',
    source: module(yields('[`own-${g}`, g, `far too long`]'), OWN),
    exit: 1,
    printed: /row 1, column note: value too long for type character varying\(5\)/,
  },
  {
    what: 'a type that cannot be cast to that of the column',
    source: module(yields('[`own-${g}`, `00000000-0000-4000-8000-00000000000${g}`, `x`]'), {
      ...OWN,
      columns: `{ id: 'text', number: 'uuid', note: 'text' }`,
    }),
    exit: 1,
    printed: /fixture own: column number: cannot cast type uuid to integer/,
  },
  {
    what: 'a NUL in a text',
    source: module(yields('[`own-${g}`, g, `a\\0`]'), OWN),
    exit: 1,
    printed: /row 1, column note: a text holds a NUL/,
  },
  {
    what: 'half of a surrogate pair in a row',
    source: module(yields('[`own-${g}`, g, `a\\ud800`]'), OWN),
    exit: 1,
    printed: /row 1, column note: a text holds half of a surrogate pair/,
  },
  {
    what: 'two rows of one key',
    source: module(yields('[`own-${Math.min(g, 4)}`, g, `x`]'), OWN),
    exit: 4,
    printed: /own: 1 of 5 rows could not be added: the first is own-4, blocked by another row of the fixture/,
    added: 4,
  },
];

/** The source of every fixture's module, by the name of its file. */
export const SOURCES = new Map(
  FIXTURES_AND_SOURCES.map(({ source }, index) => [`own-${index + 1}.mjs`, source]),
);

export const FIXTURES: readonly BadInput[] = FIXTURES_AND_SOURCES.map(
  ({ source: _source, options = [], ...input }, index) => ({
    before: 'create table own (id text primary key, number integer, note varchar(5))',
    after: 'drop table own',
    ...input,
    typed: ({ folder }) => ['load', '--fixture', join(folder, `own-${index + 1}.mjs`), ...options],
  }),
);
