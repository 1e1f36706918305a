import { stage } from '../copy/staging.js';
import { fingerprintOf } from '../encode/fingerprint.js';
import { elementOf, encoderFor } from '../fixtures/column-types.js';
import {
  ANCHORED,
  numberedValue,
  type ColumnType,
  type Fixture,
  type NumberedKey,
} from '../fixtures/fixture.js';
import { SETS } from '../fixtures/registry.js';
import { findAnchors } from '../merge/compare.js';
import { rootsOf } from '../merge/keys.js';
import { MANIFEST_VERSION } from '../report/manifest.js';
import type { Manifest, ManifestFixture, ManifestStanding } from '../report/manifest.js';
import { withDatabase } from '../run/context.js';
import { checkOptions, type FixtureOptions } from '../run/options.js';
import { runOnFixtures } from '../run/run-on-fixtures.js';
import { atOneMoment, type Step } from '../run/step.js';
import { countedKeys, keysIn } from '../table/keys.js';

export interface ManifestOptions extends FixtureOptions {
  /** Look at what stands in the database; true by default. */
  standing?: boolean | undefined;
}

/**
 * What the scripts of a load test need to know of fixtures: sizes, identifiers, fingerprints; and where a database is
 * looked at, which rows stand and since when. Changes nothing; needs the right to create a temporary table there.
 */
export async function manifest(options: ManifestOptions = {}): Promise<Manifest> {
  checkOptions('manifest', options);
  const { fixtures = SETS.fleet } = options;
  const rows: Record<string, number> = {};
  for (const { table, count } of fixtures) rows[table] = (rows[table] ?? 0) + count;
  const described = await Promise.all(fixtures.map(describe));
  const base = { version: MANIFEST_VERSION, generatedAt: new Date().toISOString(), rows } as const;
  if (options.standing === false) return { ...base, fixtures: described };
  return withDatabase('manifest', options, async (context) => {
    const run = await runOnFixtures(context, options, {
      privileges: ['select'],
      reads: true,
      work: findStanding,
    });
    const { database, server, failures } = run.base;
    const standing = described.map((one, index) => ({
      ...one,
      standing: run.fixtures.flatMap((found) => (found.fixture === fixtures[index] ? [found.standing] : [])),
    }));
    return { ...base, database, server, failures, fixtures: standing };
  });
}

async function describe(fixture: Fixture): Promise<ManifestFixture> {
  const { name, table, purpose, count, numberedKeys, mark, live } = fixture;
  const valueOf = (key: NumberedKey, row: number) => (count === 0 ? null : numberedValue(key, row));
  const keys = Object.entries(numberedKeys).map(([column, key]) => {
    const ends = { first: valueOf(key, 1), last: valueOf(key, count) };
    return [column, { ...key, ...ends }];
  });
  // Times of the anchor's differ from load to load.
  const constants = Object.entries(fixture.constants)
    .filter(([, { type }]) => type !== ANCHORED)
    .map(([column, { type, value }]) => [column, asJson(type, value)]);
  return {
    name,
    table,
    purpose,
    rows: count,
    fingerprint: await fingerprintOf(fixture),
    keys: Object.fromEntries(keys) as ManifestFixture['keys'],
    mark,
    live,
    constants: Object.fromEntries(constants) as ManifestFixture['constants'],
  };
}

/** A constant as JSON: as it is where JSON has its like, else the text that the column gets. */
function asJson(type: ColumnType, value: unknown): unknown {
  if (['string', 'boolean'].includes(typeof value) || Number.isFinite(value) || /^jsonb?$/i.test(type))
    return value;
  return Array.isArray(value)
    ? value.map((item: unknown) => asJson(elementOf(type), item))
    : encoderFor(type)(value);
}

async function findStanding(step: Step): Promise<{ fixture: Fixture; standing: ManifestStanding }> {
  const { session, fixture, table, enter } = step;
  const { schema } = table;
  return atOneMoment(step, async () => {
    const counted = countedKeys(fixture, table);
    const none = { fixture, standing: { schema, present: 0, anchors: [], anchorCount: 0, ageMs: null } };
    if (counted !== undefined && (await session.count(rootsOf(step, counted).from)) === 0) return none;
    const staged = await stage(step);
    const keys = counted ?? keysIn(staged.table, fixture, table);
    const present = await session.count(rootsOf(step, keys).from);
    if (present === 0) return none;
    enter('verify');
    const { anchors, anchorCount, ageMs } = await findAnchors(step, staged);
    return { fixture, standing: { schema, present, anchors, anchorCount, ageMs } };
  });
}
