import { ScaleSeedError } from '../errors.js';

/** An error of whoever names the database: what they gave is never repeated in it. */
export function refuse(what: string, hint?: string, cause?: unknown): ScaleSeedError {
  return new ScaleSeedError(what, { code: 'configuration', phase: 'configure', hint, cause });
}
