/**
 * How many rows, bytes, sessions or transactions.
 * @asType integer
 * @minimum 0
 */
export type Count = number;

/**
 * A time that something took.
 * @minimum 0
 */
export type Milliseconds = number;

/**
 * SHA-256 over all that a fixture loads.
 * @pattern ^sha256:[0-9a-f]{64}$
 */
export type Fingerprint = string;

/**
 * A time of the server's: ISO 8601, UTC, to the microsecond.
 * @pattern ^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$
 */
export type Timestamp = string;
