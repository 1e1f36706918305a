export {
  destroyEmbedded,
  embeddedStatus,
  startEmbedded,
  stopEmbedded,
  type EmbeddedServer,
  type EmbeddedStatus,
} from './embedded/index.js';
export type { EmbeddedOptions } from './embedded/options.js';
export { fingerprintOf } from './encode/fingerprint.js';
export { ScaleSeedError, type ErrorCode, type Phase } from './errors.js';
export { defineFixture } from './fixtures/define-fixture.js';
export type {
  ColumnType,
  Constant,
  Derived,
  Fixture,
  FixtureDefinition,
  Mark,
  NumberedKey,
  ParentRow,
} from './fixtures/fixture.js';
export { loadFixtureFile } from './fixtures/load-fixture-file.js';
export { after, type Offset } from './fixtures/offset.js';
export { chooseFixtures, SETS, SHIPPED, type FixtureChoice } from './fixtures/registry.js';
export type { SetName } from './fixtures/set-names.js';
export { sizedAgents, sizedCertificates } from './fixtures/sized.js';
export type { Baseline } from './judge/baseline.js';
export { ci, type CiOptions } from './operations/ci.js';
export { clean, type CleanOptions, type CleanPlan } from './operations/clean.js';
export { load, type LoadOptions } from './operations/load.js';
export { manifest, type ManifestOptions } from './operations/manifest.js';
export { reset, type ResetOptions, type ResetPlan } from './operations/reset.js';
export { verify, type VerifyOptions } from './operations/verify.js';
export type { OnEvent, RunEvent } from './report/events.js';
export type { Manifest, ManifestFixture, ManifestKey, ManifestStanding } from './report/manifest.js';
export * from './report/result.js';
export type * from './report/values.js';
export { seedParents } from './postgres/seed-parents.js';
export type { DatabaseOptions, DryRunOptions, FixtureOptions } from './run/options.js';
