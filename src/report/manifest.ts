import type { Failure } from './result.js';

/** Version of the manifest's shape; it grows when a field changes its meaning or goes. */
export const MANIFEST_VERSION = 1;

/** A column that counts: prefix, the row's number padded with zeros to `digits`, suffix. */
export interface ManifestKey {
  prefix: string;
  digits: number;
  suffix: string;
  /** Values of the first and the last row; null in a fixture without rows. */
  first: string | null;
  last: string | null;
}

/** What stands in the database of a fixture. */
export interface ManifestStanding {
  schema: string;
  /** Rows of the fixture's mark. */
  present: number;
  /** When they were loaded or reset, with the number of rows of each: the ten oldest, the oldest first. */
  anchors: { at: string; rows: number }[];
  /**
   * How many such times there are.
   *
   * @asType integer
   */
  anchorCount: number;
  /** Age of the oldest anchor by the server's clock, in milliseconds. */
  ageMs: number | null;
}

export interface ManifestFixture {
  name: string;
  table: string;
  purpose: string;
  rows: number;
  fingerprint: string;
  /** Columns that count, by name: a row's values follow from its number. */
  keys: Record<string, ManifestKey>;
  /** How the rows are told from all others: a prefix, then (where given) exactly so many digits. */
  mark: { column: string; prefix: string; digits?: number };
  /** Columns that hold the same in every row. */
  constants: Record<string, unknown>;
  /** Schema by schema; only where a database was looked at. */
  standing?: ManifestStanding[];
}

/** What the scripts of a load test need to know of a fleet. */
export interface Manifest {
  version: typeof MANIFEST_VERSION;
  /** By this machine's clock, ISO 8601. */
  generatedAt: string;
  /** Size of the fleet: rows of the fixtures by table. */
  rows: Record<string, number>;
  /** The database's URL without password or options, and its server; only where it was looked at. */
  database?: string;
  server?: { version: string };
  /** What failed in one schema of several. */
  failures?: Failure[];
  fixtures: ManifestFixture[];
}

/** Variables that the harness's own scripts read, and the fixture whose rows each of them counts. */
const READ_BY_SCRIPTS: Readonly<Record<string, string>> = { K6_AGENT_FLEET: '02_agent_fleet' };

/**
 * A manifest as lines of `NAME=value`, for a shell, an env file of compose or $GITHUB_ENV: those that the harness's scripts
 * read, then all others, named by the prefix and the table or fixture in capitals; `ANCHOR` is the oldest one.
 */
export function renderEnv({ rows, fixtures }: Manifest, prefix: string): string {
  const known = Object.entries(READ_BY_SCRIPTS).flatMap(([name, read]) =>
    fixtures.filter((fixture) => fixture.name === read).map((fixture) => [name, fixture.rows] as const),
  );
  const facts = [
    ...Object.entries(rows),
    ...fixtures.flatMap((fixture) =>
      factsOf(fixture).map(([name, value]) => [`${fixture.name}_${name}`, value] as const),
    ),
  ].map(([name, value]) => [prefix + variableName(name), value] as const);
  return [...known, ...facts].map(([name, value]) => `${name}=${quoted(String(value))}\n`).join('');
}

function factsOf({ rows, fingerprint, keys, standing = [] }: ManifestFixture): [string, string | number][] {
  const facts: [string, string | number][] = [
    ['rows', rows],
    ['fingerprint', fingerprint],
  ];
  for (const [column, key] of Object.entries(keys)) {
    for (const name of ['prefix', 'digits', 'suffix', 'first', 'last'] as const) {
      facts.push([`${column}_${name}`, key[name] ?? '']);
    }
  }
  for (const { schema, present, anchors, anchorCount } of standing) {
    // Among several schemas, each has facts of its own.
    const own = standing.length > 1 ? `${schema}_` : '';
    const anchor = anchors[0]?.at ?? '';
    facts.push([`${own}present`, present], [`${own}anchors`, anchorCount], [`${own}anchor`, anchor]);
  }
  return facts;
}

function variableName(name: string): string {
  return name.replace(/\W/g, '_').toUpperCase();
}

/** As it is where every reader takes it so, else in single quotes. */
function quoted(value: string): string {
  return /^[\w.:@/+-]*$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
