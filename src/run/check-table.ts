import { hasState } from '../errors.js';
import { BUILT_IN } from '../fixtures/column-types.js';
import {
  ANCHORED,
  anchoredColumns,
  columnsOf,
  fixtureError,
  identityOf,
  type Fixture,
} from '../fixtures/fixture.js';
import { nearest } from '../fixtures/nearest.js';
import type { Session } from '../postgres/session.js';
import { isSharded } from '../table/citus.js';
import type { Privilege, TableInfo } from '../table/inspect-table.js';
import { nameOf } from '../report/table-name.js';

/** Holds a fixture against the table before its first row is sent. */
export async function checkTable(
  session: Session,
  fixture: Fixture,
  table: TableInfo,
  needs: readonly Privilege[],
): Promise<void> {
  const filled = columnsOf(fixture).map(({ name }) => name);
  const problem =
    missing([...filled, ...fixture.live], table) ??
    generated(filled, table) ??
    unfilled(filled, table) ??
    unmarkable(fixture, table) ??
    untimely(fixture, table) ??
    spreadOtherwise(fixture, table) ??
    notUnique(fixture, table) ??
    unprivileged(table, needs) ??
    (await unknownType(session, fixture));
  if (problem === undefined) return;
  const { text, ...more } = problem;
  throw fixtureError(fixture, text, { phase: 'prepare', table: nameOf(table), ...more });
}

interface Problem {
  text: string;
  code: 'schema' | 'fixture' | 'privilege';
  hint: string;
}

function missing(wanted: readonly string[], { name, columns }: TableInfo): Problem | undefined {
  const names = columns.map((column) => column.name);
  const absent = [...new Set(wanted)].filter((column) => !names.includes(column));
  if (absent.length === 0) return undefined;
  const meant = absent.length === 1 ? nearest(absent[0]!, names) : undefined;
  return {
    text: `table ${name} has no column ${absent.join(', ')}`,
    code: 'schema',
    hint: `${meant === undefined ? '' : `did you mean ${meant}? else `}migrate the database to a version of certctl that has it`,
  };
}

function generated(filled: readonly string[], { name, columns }: TableInfo): Problem | undefined {
  const fixed = columns.filter((column) => column.generated && filled.includes(column.name));
  if (fixed.length === 0) return undefined;
  return {
    text: `table ${name} generates column ${fixed.map((column) => column.name).join(', ')} itself`,
    code: 'schema',
    hint: 'leave the column out of the fixture',
  };
}

function unfilled(filled: readonly string[], { name, columns }: TableInfo): Problem | undefined {
  const wanting = columns.filter(
    (column) =>
      column.notNull &&
      column.default === null &&
      !column.generated &&
      !column.identity &&
      !filled.includes(column.name),
  );
  if (wanting.length === 0) return undefined;
  return {
    text: `table ${name} must have a value in column ${wanting.map((column) => column.name).join(', ')}, for which the fixture gives none`,
    code: 'schema',
    hint: 'this certctl is newer than the fixture: give the column a default, or update scale-seed',
  };
}

/** The mark's column is searched by LIKE, which takes PostgreSQL's category of strings. */
function unmarkable({ mark }: Fixture, { name, columns }: TableInfo): Problem | undefined {
  const column = columns.find((existing) => existing.name === mark.column);
  if (column === undefined || column.category === 'S') return undefined;
  return {
    text: `its mark is on column ${column.name} of table ${name}, which is of type ${column.type} and has no prefix`,
    code: 'fixture',
    hint: 'mark the rows by a column that holds text',
  };
}

/** Times of the anchor's are computed with, when they are read back. */
function untimely(fixture: Fixture, { name, columns }: TableInfo): Problem | undefined {
  const anchored = anchoredColumns(fixture).map((column) => column.name);
  const other = columns.find(
    (column) => anchored.includes(column.name) && !/^(date|timestamp)/.test(column.uncut),
  );
  if (other === undefined) return undefined;
  return {
    text: `column ${other.name} of table ${name} is of type ${other.type}, which holds no time after the anchor`,
    code: 'fixture',
    hint: 'give the column a date or a timestamp, or the fixture a text of its own making',
  };
}

/** On Citus a unique key holds the column by which rows are spread over shards: no other key would identify a row. */
function spreadOtherwise(fixture: Fixture, table: TableInfo): Problem | undefined {
  const key = identityOf(fixture).join(', ');
  if (!isSharded(table) || table.shardedBy === key) return undefined;
  const by = table.shardedBy === '' ? '' : `by ${table.shardedBy}, `;
  return {
    text: `Citus spreads the rows of table ${table.name} over several shards, ${by}where ${key} cannot be unique`,
    code: 'schema',
    hint: `distribute the table by ${key}, or put each fleet into a schema of its own and have Citus distribute that: docs/citus.md`,
  };
}

/**
 * The merge leaves out whatever clashes: what no unique index forbids would be loaded twice. A partitioned or distributed
 * table cannot have one over every column, so that only the key that identifies a row is asked for there.
 */
function notUnique(
  { conflictKeys }: Fixture,
  { name, uniqueKeys, plain, distributed }: TableInfo,
): Problem | undefined {
  const sorted = (key: readonly string[]): string => JSON.stringify([...key].sort());
  const unique = uniqueKeys.map(({ columns }) => sorted(columns));
  const asked = plain && !distributed ? conflictKeys : conflictKeys.slice(0, 1);
  const stray = asked.find((key) => !unique.includes(sorted(key)));
  if (stray === undefined) return undefined;
  const listed = uniqueKeys.map(({ columns }) => `(${columns.join(', ')})`).join(', ');
  return {
    text: `conflict key (${stray.join(', ')}) is not a unique key of table ${name}, which has ${listed || 'none'}`,
    code: 'fixture',
    hint: 'name columns that a unique index has, all of them and no others; one that is partial, deferrable or over an expression does not count',
  };
}

/** Types that not every server has are looked up: an unknown one would be a syntax error while rows are on their way. */
async function unknownType(session: Session, fixture: Fixture): Promise<Problem | undefined> {
  for (const { name, type } of columnsOf(fixture)) {
    const bare = type.replace(/\(.*\)|\[\]/g, '').toLowerCase();
    if (type === ANCHORED || bare.includes(' ') || BUILT_IN.includes(bare)) continue;
    const found = await findType(session, type);
    if (found?.cuts === true && Object.hasOwn(fixture.constants, name))
      return {
        text: `constant ${name}: a value would be cut to the length of the domain ${type}`,
        code: 'fixture',
        hint: 'give it type text: the column itself refuses what is too long',
      };
    if (found !== undefined) continue;
    const meant = nearest(bare, BUILT_IN);
    return {
      text: `column ${name}: the server has no type ${type}`,
      code: 'fixture',
      hint: meant === undefined ? 'create it, or give the column another' : `did you mean ${meant}?`,
    };
  }
  return undefined;
}

/** A type of the server's, and whether a cast to it cuts what is too long: a domain over one with a length does. */
async function findType(session: Session, type: string): Promise<{ cuts: boolean } | undefined> {
  try {
    return await session.first<{ cuts: boolean }>(
      `with recursive below as (
         select typbasetype as base, typtypmod as modifier from pg_type where oid = to_regtype($1)
         union all select t.typbasetype, t.typtypmod from below join pg_type as t on t.oid = base)
       select bool_or(modifier <> -1) as cuts from below having count(*) > 0`,
      [type],
    );
  } catch (error) {
    // A word that is SQL's own.
    if (hasState(error, /^42601/)) return undefined;
    throw error;
  }
}

function unprivileged({ name, privileges }: TableInfo, needs: readonly Privilege[]): Problem | undefined {
  const lacking = needs.filter((privilege) => !privileges[privilege]);
  if (lacking.length === 0) return undefined;
  return {
    text: `the role lacks ${lacking.join(', ')} on ${name}`,
    code: 'privilege',
    hint: `grant ${lacking.join(', ')} on ${name} to the role`,
  };
}
