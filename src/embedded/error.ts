import { ScaleSeedError } from '../errors.js';

/** An error of the embedded server's. */
export function embeddedError(message: string, hint: string, cause?: unknown): ScaleSeedError {
  return new ScaleSeedError(`embedded PostgreSQL: ${message}`, {
    code: 'embedded',
    phase: 'embedded',
    hint,
    cause,
  });
}
