import type { Failure, VerifiedFixture } from './result.js';
import type { Count, Fingerprint } from './values.js';

/** Version of the manifest's shape; it grows when a field changes its meaning or goes. */
export const MANIFEST_VERSION = 1;

/** A column that counts: prefix, the row's number padded with zeros to `digits`, suffix. */
export interface ManifestKey {
  prefix: string;
  digits: Count;
  suffix: string;
  /** Values of the first and the last row; null in a fixture without rows. */
  first: string | null;
  last: string | null;
}

/** What stands in the database of a fixture. */
export interface ManifestStanding extends Pick<
  VerifiedFixture,
  'schema' | 'anchors' | 'anchorCount' | 'ageMs'
> {
  /** Rows of the fixture that stand. */
  present: Count;
}

export interface ManifestFixture {
  name: string;
  table: string;
  purpose: string;
  rows: Count;
  fingerprint: Fingerprint;
  /** Columns that count, by name: a row's values follow from its number. */
  keys: Record<string, ManifestKey>;
  /** How the rows are told from all others: a prefix, then (where given) exactly so many digits. */
  mark: { column: string; prefix: string; digits?: Count };
  /** Columns that the running system writes by itself. */
  live: readonly string[];
  /** Columns that hold the same in every row. */
  constants: Record<string, unknown>;
  /** Schema by schema; only where a database was looked at. */
  standing?: ManifestStanding[];
}

/** What `scale-seed manifest` writes: what the scripts of a load test need to know of a fleet. */
export interface Manifest {
  version: typeof MANIFEST_VERSION;
  /** By this machine's clock, ISO 8601. */
  generatedAt: string;
  /** Size of the fleet: rows of the fixtures by table. */
  rows: Record<string, Count>;
  /** The database's URL without password or options, and its server; only where it was looked at. */
  database?: string;
  server?: { version: string };
  /** What failed in one schema of several. */
  failures?: Failure[];
  fixtures: ManifestFixture[];
}
