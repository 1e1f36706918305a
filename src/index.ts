export { ci, type CiOptions } from './ci.js';
export { clean, type CleanOptions, type CleanPlan } from './clean.js';
export {
  destroyEmbedded,
  embeddedStatus,
  startEmbedded,
  stopEmbedded,
  type EmbeddedOptions,
  type EmbeddedServer,
  type EmbeddedStatus,
} from './database/embedded/index.js';
export { seedParents } from './database/with-database.js';
export { ScaleSeedError, type ErrorCode, type Phase } from './errors.js';
export type { OnEvent, RunEvent } from './events.js';
export { expandSchemas } from './expand-schemas.js';
export { cleanFleets, loadFleets, resetFleets, verifyFleets } from './fleets.js';
export { defineFixture, type FixtureDefinition } from './fixtures/define-fixture.js';
export { fingerprintOf } from './encode/fingerprint.js';
export type {
  ColumnType,
  Constant,
  Derived,
  Fixture,
  Mark,
  NumberedKey,
  ParentRow,
} from './fixtures/fixture.js';
export { loadFixtureFile } from './fixtures/load-fixture-file.js';
export { after, type Offset } from './fixtures/offset.js';
export { chooseFixtures, SETS, SHIPPED, type FixtureChoice, type SetName } from './fixtures/registry.js';
export { sizedAgents, sizedCertificates } from './fixtures/sized.js';
export { load, type LoadOptions } from './load.js';
export { manifest, type ManifestOptions } from './manifest.js';
export type { OnSchemas } from './on-schemas.js';
export type { DatabaseOptions, FixtureOptions } from './options.js';
export { reset, type ResetOptions } from './reset.js';
export type { Baseline } from './report/baseline.js';
export type { Manifest, ManifestFixture, ManifestKey, ManifestStanding } from './report/manifest.js';
export type * from './report/result.js';
export { verify, type VerifyOptions } from './verify.js';
