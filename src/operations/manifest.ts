import { stage } from '../copy/staging.js';
import { countPresent } from '../table/marks.js';
import { withDatabase, type Database } from '../run/with-database.js';
import { fingerprintOf } from '../encode/fingerprint.js';
import { numberedValue, type Fixture, type NumberedKey } from '../fixtures/fixture.js';
import { SETS } from '../fixtures/registry.js';
import { findAnchors } from '../merge/anchors.js';
import type { FixtureOptions } from '../run/options.js';
import {
  MANIFEST_VERSION,
  type Manifest,
  type ManifestFixture,
  type ManifestKey,
  type ManifestStanding,
} from '../report/manifest.js';
import { runOnFixtures, type Step } from '../run/run.js';

export interface ManifestOptions extends FixtureOptions {
  /** Look at what stands in the database (default: true). */
  standing?: boolean | undefined;
}

/**
 * What the scripts of a load test need to know of fixtures: sizes, identifiers, fingerprints; and where a database is
 * looked at, which rows stand and since when. Changes nothing; needs the right to create a temporary table there.
 */
export async function manifest(options: ManifestOptions = {}): Promise<Manifest> {
  const { fixtures = SETS.fleet } = options;
  const rows: Record<string, number> = {};
  for (const { table, count } of fixtures) rows[table] = (rows[table] ?? 0) + count;
  const base = { version: MANIFEST_VERSION, generatedAt: new Date().toISOString(), rows } as const;
  const described = await Promise.all(fixtures.map(describe));
  if (options.standing === false) return { ...base, fixtures: described };
  return withDatabase(options, async (database) => {
    const { base: run, results } = await lookAt(database, options);
    return {
      ...base,
      database: run.database,
      server: run.server,
      fixtures: described.map((fixture, index) => ({ ...fixture, standing: results[index]! })),
    };
  });
}

async function describe(fixture: Fixture): Promise<ManifestFixture> {
  const { name, table, purpose, count, numberedKeys, mark } = fixture;
  const keys = Object.entries(numberedKeys).map(([column, key]) => [column, describeKey(key, count)]);
  // Times of the anchor's differ from load to load.
  const constants = Object.entries(fixture.constants).filter(
    ([, { type }]) => type !== 'timestamptz after anchor',
  );
  return {
    name,
    table,
    purpose,
    rows: count,
    fingerprint: await fingerprintOf(fixture),
    keys: Object.fromEntries(keys) as Record<string, ManifestKey>,
    mark,
    constants: Object.fromEntries(
      constants.map(([column, { value }]) => [column, typeof value === 'bigint' ? String(value) : value]),
    ),
  };
}

function describeKey(key: NumberedKey, count: number): ManifestKey {
  const valueOf = (row: number): string | null => (count === 0 ? null : numberedValue(key, row));
  return { ...key, first: valueOf(1), last: valueOf(count) };
}

function lookAt(database: Database, options: ManifestOptions) {
  return runOnFixtures<ManifestStanding>(database, options, {
    jobs: 1,
    parents: 'ignore',
    guard: false,
    survey: false,
    needs: ['select'],
    settle: false,
    changed: () => false,
    work: findStanding,
  });
}

async function findStanding({ prepared, session, fixture, enter, count }: Step): Promise<ManifestStanding> {
  const table = prepared.tableOf(fixture);
  const present = await countPresent(session, fixture, table);
  if (present === 0) return { schema: table.schema, present, anchors: [], ageMs: null };
  return session.transaction(async () => {
    enter('copy');
    const staged = await stage(session, fixture, (rows) => {
      count('copy', rows);
    });
    enter('verify');
    const { anchors, ageMs } = await findAnchors(session, fixture, table, staged);
    return { schema: table.schema, present, anchors, ageMs };
  });
}
