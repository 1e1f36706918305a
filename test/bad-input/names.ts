import type { BadInput } from './bad-input.js';

/** A schema with a table of agents in it. */
function schema(name: string): Pick<BadInput, 'before' | 'after'> {
  const schemaName = quoted(name);
  return {
    before: `create schema ${schemaName}; create table ${schemaName}.agents (like public.agents including all)`,
    after: `drop schema ${schemaName} cascade`,
  };
}

const load = (pattern: string) => (): string[] => ['load', '--agents', '20', '--schema', pattern];

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Names of schemas that look like something else, but are not. */
const GOOD = [
  ['a quote and a statement', 'fleet"; drop table agents; --'],
  ['an apostrophe and a statement', "'; drop table agents; --"],
  ['a space', 'two words'],
  ['letters of other scripts', 'flotte_ünïcödé_艦隊_☃'],
  ['63 bytes', 'x'.repeat(63)],
] as const;

export const NAMES: readonly BadInput[] = [
  ...GOOD.map(([what, name]) => ({
    what: `a schema whose name has ${what}`,
    typed: load(quoted(name)),
    ...schema(name),
    exit: 0,
    printed: /20 agents rows present/,
    added: 20,
  })),
  {
    what: 'a schema whose first 63 bytes another has',
    typed: load('x'.repeat(70)),
    ...schema('x'.repeat(63)),
    exit: 1,
    printed: /there is no schema x{70}\n/,
  },
  {
    what: 'a schema that is not there',
    typed: load(quoted('public"; drop table agents; --')),
    exit: 1,
    printed: /there is no schema "public""; drop table agents; --"/,
  },
  { what: 'a schema without a name', typed: load(''), exit: 2, printed: /it is empty/ },
  { what: 'half a quoted name', typed: load('"public'), exit: 2, printed: /its quotes are not closed/ },
];
