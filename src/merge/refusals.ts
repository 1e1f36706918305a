import { ScaleSeedError } from '../errors.js';

/** Violations of a unique key, and of an exclusion constraint. */
const KEY_TAKEN = ['23505', '23P01'];

/** Whether the server refused a row because another has the same key, or one that excludes it. */
export function isKeyTaken(error: unknown): boolean {
  return error instanceof ScaleSeedError && KEY_TAKEN.includes(error.sqlState ?? '');
}

/** Whether the server refused a value or a row, for whatever it holds: data exceptions and violated constraints. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ScaleSeedError && /^2[23]/.test(error.sqlState ?? '');
}

/** Whether nobody knows what a row was refused for: an INSERT ... SELECT that Citus makes a COPY of tells no SQLSTATE. */
export function isUnnamed(error: unknown): boolean {
  return error instanceof ScaleSeedError && error.sqlState === 'XX000';
}
