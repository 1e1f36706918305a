import { hasState } from '../errors.js';

/** Whether the server refused a row because another has the same key, or one that excludes it. */
export function isKeyTaken(error: unknown): boolean {
  return hasState(error, /^(23505|23P01)/);
}

/** Whether the server refused a value or a row, for whatever it holds: data exceptions and violated constraints. */
export function isRefusal(error: unknown): boolean {
  return hasState(error, /^2[23]/);
}

/** Whether nobody knows what a row was refused for: an INSERT ... SELECT that Citus makes a COPY of tells no SQLSTATE. */
export function isUnnamed(error: unknown): boolean {
  return hasState(error, /^XX000/);
}
