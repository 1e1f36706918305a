import pg from 'pg';

/** Violations of a unique key, and of an exclusion constraint. */
const KEY_TAKEN = ['23505', '23P01'];

/** Whether the server refused a row because another has the same key, or one that excludes it. */
export function isKeyTaken(error: unknown): boolean {
  return error instanceof pg.DatabaseError && KEY_TAKEN.includes(error.code ?? '');
}

/** Whether the server refused a value or a row, for whatever it holds: data exceptions and violated constraints. */
export function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^2[23]/.test(error.code ?? '');
}
