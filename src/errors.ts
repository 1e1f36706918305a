/** What went wrong, as a word that scripts may depend on. */
export type ErrorCode =
  | 'usage' // options or arguments that make no sense
  | 'configuration' // a connection string, certificate or setting that cannot be used
  | 'fixture' // a fixture that is unknown, malformed, or yields what it did not declare
  | 'guard' // a database that looks like somebody's real fleet
  | 'connect' // no server, or one that refuses us
  | 'schema' // a table or column that a fixture needs is missing
  | 'parents' // a parent row that a fixture names is missing
  | 'privilege' // the role may not do what the command needs
  | 'conflict' // a row of somebody else's stands in the way
  | 'locked' // somebody else holds a lock for longer than we may wait
  | 'server' // any other answer of the server's, or its loss
  | 'embedded' // the embedded server cannot be installed, started or stopped
  | 'timeout' // --timeout, or a statement's own limit, ran out
  | 'interrupted'; // the caller's AbortSignal, or Ctrl-C

/** The step of a run in which it went wrong. */
export type Phase =
  | 'configure'
  | 'embedded'
  | 'connect'
  | 'prepare'
  | 'copy'
  | 'merge'
  | 'index'
  | 'settle'
  | 'verify'
  | 'reset'
  | 'clean'
  | 'measure';

export interface ErrorContext {
  code: ErrorCode;
  phase: Phase;
  /** Table, as `schema.table` where the schema is known. */
  table?: string | undefined;
  fixture?: string | undefined;
  /** What stands in the database now. */
  state?: string | undefined;
  /** What to do about it. */
  hint?: string | undefined;
  cause?: unknown;
}

/** The one error type that scale-seed throws on purpose; anything else is a bug in it. */
export class ScaleSeedError extends Error {
  readonly code: ErrorCode;
  readonly phase: Phase;
  readonly table: string | undefined;
  readonly fixture: string | undefined;
  readonly state: string | undefined;
  readonly hint: string | undefined;

  constructor(message: string, { code, phase, table, fixture, state, hint, cause }: ErrorContext) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ScaleSeedError';
    this.code = code;
    this.phase = phase;
    this.table = table;
    this.fixture = fixture;
    this.state = state;
    this.hint = hint;
  }

  /** As reports hold it: without its cause, which is for programs. */
  toJSON(): Omit<ErrorContext, 'cause'> & { message: string } {
    const { code, phase, message, table, fixture, state, hint } = this;
    return { code, phase, message, table, fixture, state, hint };
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

/** The same error with what stands in the database now. */
export function withState(error: ScaleSeedError, state: string): ScaleSeedError {
  const { message, code, phase, table, fixture, hint, cause } = error;
  return new ScaleSeedError(message, { code, phase, table, fixture, state, hint, cause });
}
