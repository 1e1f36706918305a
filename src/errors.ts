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
  | 'output' // a report or another result cannot be written, though what it tells of is done
  | 'timeout' // --timeout, or a statement's own limit, ran out
  | 'interrupted' // the caller's AbortSignal, or Ctrl-C
  | 'unexpected'; // nothing that is known here: its own message says what

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
  /** The server's SQLSTATE, where it was the server that refused. */
  sqlState?: string | undefined;
  cause?: unknown;
}

/** What an error's `state` says of a fixture whose transaction has been committed. */
export const COMMITTED = 'done and committed';

/** The one error type that scale-seed throws. */
export class ScaleSeedError extends Error {
  readonly code: ErrorCode;
  readonly phase: Phase;
  readonly table: string | undefined;
  readonly fixture: string | undefined;
  readonly state: string | undefined;
  readonly hint: string | undefined;
  readonly sqlState: string | undefined;

  constructor(message: string, { cause, code, phase, table, fixture, state, hint, sqlState }: ErrorContext) {
    super(withoutPasswords(message), cause === undefined ? undefined : { cause });
    this.name = 'ScaleSeedError';
    this.code = code;
    this.phase = phase;
    const shown = (text?: string): string | undefined => text && withoutPasswords(text);
    this.table = shown(table);
    this.fixture = shown(fixture);
    this.state = shown(state);
    this.hint = shown(hint);
    this.sqlState = sqlState;
  }

  with(more: Partial<ErrorContext> & { message?: string }): ScaleSeedError {
    const context = { ...this.toJSON(), cause: this.cause, ...more };
    return new ScaleSeedError(context.message, context);
  }

  /** As reports hold it: without its cause, which is for programs. */
  toJSON(): Omit<ErrorContext, 'cause'> & { message: string } {
    const { code, phase, message, table, fixture, state, hint, sqlState } = this;
    return { code, phase, message, table, fixture, state, hint, sqlState };
  }
}

/**
 * A text without the passwords of connection strings that it may repeat: whoever puts one where a name belongs, or mistypes
 * an option, is not to see it again. Rather too much of a line goes than too little; a port is no password.
 */
export function withoutPasswords(text: string): string {
  return text
    .replace(/(\w:\/{1,2}[^\s:@/[\]]*):(?!\d+(?:[/?,\s]|$)(?!\S*@))[^\n]*@/g, '$1:***@')
    .replace(/((?:^|[\s"'=,/])[^\s:@/"']+):(?!\/\/|\d+(?:[/?,\s]|$))[^\s@]+@/g, '$1:***@')
    .replace(/(password\s*=\s*)(?:'(?:[^'\\\n]|\\.)*'|[^\n]*)/gi, '$1***');
}

/** What is asked for cannot be, and whoever asks can mend that. The code is `usage`, where `more` gives no other. */
export function refusal(message: string, hint: string, more: Partial<ErrorContext> = {}): ScaleSeedError {
  return new ScaleSeedError(message, { code: 'usage', phase: 'configure', hint, ...more });
}

/** Whether the server refused something with such an SQLSTATE. */
export function hasState(error: unknown, state: RegExp): error is ScaleSeedError & { sqlState: string } {
  return error instanceof ScaleSeedError && error.sqlState !== undefined && state.test(error.sqlState);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

/** What a signal of the caller's was aborted with, whatever that was, as what a run is aborted with. */
export function abortReason(reason: unknown): DOMException {
  return reason instanceof DOMException ? reason : new DOMException(messageOf(reason), 'AbortError');
}

/** An error of ours with what was being done in front of its message; any other as it is. */
export function during(error: unknown, what: string, more: Partial<ErrorContext> = {}): unknown {
  return error instanceof ScaleSeedError
    ? error.with({ ...more, message: `${what}: ${error.message}` })
    : error;
}
