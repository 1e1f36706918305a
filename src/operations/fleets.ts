import { cleanOn, type CleanOptions } from './clean.js';
import { loadOn, type LoadOptions } from './load.js';
import { onSchemas, type OnSchemas } from '../run/on-schemas.js';
import type { CleanReport, FleetsReport, LoadReport, ResetReport, VerifyReport } from '../report/result.js';
import { resetOn, type ResetOptions } from './reset.js';
import { verifyOn, type VerifyOptions } from './verify.js';

/**
 * Loads the same fixtures into each of many schemas, `jobs` of them at a time: a fleet apiece, each on a single session.
 *
 * @throws ScaleSeedError for what concerns all schemas; what fails in one stands in the report.
 */
export function loadFleets(options: OnSchemas<LoadOptions>): Promise<FleetsReport<LoadReport>> {
  return onSchemas('load', options, (database, place) => loadOn(database, { ...options, ...place, jobs: 1 }));
}

/** Verifies the fixtures in each of many schemas; as {@link loadFleets} loads them. */
export function verifyFleets(options: OnSchemas<VerifyOptions>): Promise<FleetsReport<VerifyReport>> {
  return onSchemas('verify', options, (database, place) => verifyOn(database, { ...options, ...place }));
}

/** Resets the fixtures in each of many schemas; as {@link loadFleets} loads them. */
export function resetFleets(options: OnSchemas<ResetOptions>): Promise<FleetsReport<ResetReport>> {
  return onSchemas('reset', options, (database, place) => resetOn(database, { ...options, ...place }));
}

/** Cleans the fixtures out of each of many schemas; one after the other where `confirm` is asked. */
export function cleanFleets(options: OnSchemas<CleanOptions>): Promise<FleetsReport<CleanReport>> {
  const one = options.confirm === undefined ? options : { ...options, jobs: 1 };
  return onSchemas('clean', one, (database, place) => cleanOn(database, { ...options, ...place }));
}
