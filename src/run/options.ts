import { EMBEDDED_OPTIONS, isEmbeddedOptions, type EmbeddedOptions } from '../embedded/options.js';
import { refusal } from '../errors.js';
import { nearest } from '../fixtures/nearest.js';
import type { Fixture } from '../fixtures/fixture.js';
import type { OnEvent } from '../report/events.js';
import type { Report } from '../report/result.js';
import { MAX_MS } from '../report/units.js';

export type Operation = Report['command'] | 'manifest';

/** Where an operation works, and how long it may take; every operation takes these. */
export interface DatabaseOptions {
  /** A PostgreSQL URL, or libpq's `host=... dbname=...`; else DATABASE_URL, else PG* variables. */
  databaseUrl?: string | undefined;
  /** A server of scale-seed's own in place of all these; its options where it needs some. */
  embedded?: boolean | EmbeddedOptions | undefined;
  /** How long to wait for the server, the tables and the parent rows, in milliseconds; 0 by default. */
  waitMs?: number | undefined;
  /** After so many milliseconds the run ends as `signal` ends it, but with code `timeout`; no limit by default. */
  timeoutMs?: number | undefined;
  /**
   * Cancels on the server, rolls back, and rejects with code `interrupted`; where several schemas are being worked on, the
   * operation resolves, and that code stands in the report's `failures`.
   */
  signal?: AbortSignal | undefined;
  onEvent?: OnEvent | undefined;
}

/** What all operations on fixtures take. */
export interface FixtureOptions extends DatabaseOptions {
  /** Build them with `chooseFixtures` or `defineFixture`; the default fleet (01 and 02) when left out. */
  fixtures?: readonly Fixture[] | undefined;
  /** Fixtures of your own besides those: their rows look like no real fleet, nor like what a run has left behind. */
  known?: readonly Fixture[] | undefined;
  /**
   * Schemas of the tables, each with a fleet of its own: names, or patterns as pg_dump's `-n` takes them. By default the
   * tables are looked up on the connection's search_path.
   */
  schemas?: readonly string[] | undefined;
  /** Sessions at work at once; one for each processor by default, and two at least. */
  jobs?: number | undefined;
}

/** What operations take that change something. */
export interface DryRunOptions {
  /** Change nothing, and report what would be changed. */
  dryRun?: boolean | undefined;
}

const within =
  (least: number, most: number) =>
  (value: unknown): boolean =>
    typeof value === 'number' && value >= least && value <= most;
const isAbove0 = (value: unknown): boolean => Number.isFinite(value) && Number(value) > 0;
const isFixtureList = (value: unknown): boolean => Array.isArray(value) && value.every(isComplete);
/** What defineFixture has completed has all of these. */
const isComplete = (one: unknown): boolean => {
  const { rows, confirmation, numberedKeys, live } = Object(one) as Partial<Fixture>;
  return [rows, confirmation].every((part) => typeof part === 'function') && !!numberedKeys && !!live;
};
export const MAX_JOBS = 64;

type Rule = readonly [what: string, is: (value: unknown) => boolean];
const each = (names: string, rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

/** Every option of every operation, and what it must be: JavaScript lets anything pass. */
const OPTIONS: Readonly<Record<string, Rule>> = {
  databaseUrl: ['a text', (value) => typeof value === 'string'],
  embedded: [
    `true, false or an object with ${EMBEDDED_OPTIONS}`,
    (value) => typeof value === 'boolean' || isEmbeddedOptions(value),
  ],
  schemas: [
    'a list of texts',
    (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
  ],
  jobs: [
    `a whole number from 1 to ${MAX_JOBS}`,
    (value) => Number.isSafeInteger(value) && within(1, MAX_JOBS)(value),
  ],
  mode: ['online or exclusive', (value) => value === 'online' || value === 'exclusive'],
  signal: ['an AbortSignal', (value) => value instanceof AbortSignal],
  baseline: ['a report', (value) => typeof value === 'object'],
  ...each('budgetRatio maxRegressionPercent', ['a number above 0', isAbove0]),
  ...each('fixtures known', ['a list of what defineFixture or chooseFixtures returns', isFixtureList]),
  ...each('onEvent confirm', ['a function', (value) => typeof value === 'function']),
  ...each('waitMs timeoutMs lockTimeoutMs maxAgeMs budgetMs', [
    `a number of milliseconds from 0 to ${MAX_MS}`,
    within(0, MAX_MS),
  ]),
  ...each('createParents force settle verify standing dryRun keepDependents live pristine', [
    'true or false',
    (value) => typeof value === 'boolean',
  ]),
};

/** What an operation has no way to heed, and must not pass over: it would change what was to stay. */
const NOT_TAKEN: Partial<Record<Operation, string>> = { ci: 'dryRun', clean: 'keepDependents' };

/** Options that are held against each other. */
type Given = FixtureOptions & DryRunOptions & { verify?: boolean };

/** Checks an operation's options at the door. */
export function checkOptions(operation: Operation, options: object): void {
  if (Object.prototype.toString.call(options) !== '[object Object]')
    throw refusal('the options must be an object', 'check the options');
  for (const [name, value] of Object.entries(options)) {
    const [what, is] = Object.hasOwn(OPTIONS, name) ? OPTIONS[name]! : [];
    if (what === undefined) throw refusal(`there is no option ${name}`, hintFor(name));
    if (value === undefined) continue;
    if (is?.(value) !== true) throw refusal(`${name} must be ${what}`, 'check the options');
    if (value === true && NOT_TAKEN[operation] === name)
      throw refusal(`${operation} has no option ${name}`, 'leave it out');
  }
  const { databaseUrl, embedded = false, fixtures, dryRun, verify }: Given = options;
  if (fixtures?.length === 0)
    throw refusal(
      'no fixture is chosen: there are no rows to load or to look at',
      'name a fixture, or a size above 0',
    );
  const names = fixtures?.map(({ name }) => name) ?? [];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw refusal(`two fixtures are called ${twice}`, 'give one of them another name');
  if (databaseUrl !== undefined && embedded !== false)
    throw refusal('a database URL and the embedded server are two databases', 'leave one of them out');
  if (operation === 'load' && dryRun === true && verify === true)
    throw refusal('a dry run adds no rows that could be verified', 'leave out the dry run, or verify');
}

function hintFor(name: string): string {
  const meant = nearest(name, Object.keys(OPTIONS));
  return meant === undefined ? `known are ${Object.keys(OPTIONS).join(', ')}` : `did you mean ${meant}?`;
}
