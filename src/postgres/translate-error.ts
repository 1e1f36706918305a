import pg from 'pg';
import { messageOf, ScaleSeedError, type ErrorCode, type ErrorContext, type Phase } from '../errors.js';
import { isCertificateError, lacksEncryption } from './tls.js';

interface Context extends Omit<ErrorContext, 'code' | 'cause' | 'sqlState'> {
  /** Start of the message. */
  during?: string;
}

interface Meaning {
  code: ErrorCode;
  hint?: string;
  /** The server's own hint says more, where it gives one. */
  isVague?: boolean;
}

const OTHER_TYPE: Meaning = {
  code: 'schema',
  hint: 'the column is of another type than the fixture gives: migrate the database, or change the fixture',
};
const REFERRING_HINT = 'delete the rows that refer to it first';

const OWN_MAKING: Meaning = {
  code: 'schema',
  isVague: true,
  hint: 'PostgreSQL does not support this for such a table: it has rules, deferrable keys or the like',
};

/** What an SQLSTATE means to the user; a class (its first two digits) stands for those not listed. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  '0A000': OWN_MAKING,
  '22': { code: 'fixture', hint: 'a value of the fixture does not fit its column' },
  '22P05': {
    code: 'fixture',
    hint: 'the database cannot hold a character of it: use a database in UTF8, and no \\u0000 in jsonb',
  },
  '23001': { code: 'conflict', hint: REFERRING_HINT },
  '23502': { code: 'schema', hint: 'the column must have a value, and the fixture gives none' },
  '23503': {
    code: 'parents',
    hint: 'a parent row is missing: --create-parents adds those that the fixture describes',
  },
  '23505': { code: 'conflict', hint: 'another row has the same key: see `scale-seed verify`' },
  '23514': { code: 'fixture', hint: 'a check constraint of the table refuses a value of the fixture' },
  '25006': {
    code: 'privilege',
    hint: 'the server or the role is read-only: give the address of the primary',
  },
  '25P03': { code: 'timeout', hint: 'raise idle_in_transaction_session_timeout for the role' },
  '25P04': { code: 'timeout', hint: 'raise transaction_timeout for the role' },
  '28': {
    code: 'connect',
    hint: 'check the user and password in the URL, PGPASSWORD or the password file, or sslcert and sslkey',
  },
  '3D000': { code: 'connect', hint: 'create the database, or name another in the URL' },
  '40': { code: 'server', hint: 'another session stood in the way: run the command again' },
  '42501': {
    code: 'privilege',
    hint: 'grant the role what the message says it lacks, or connect as another',
  },
  '42704': {
    code: 'fixture',
    hint: 'the server knows no such type: check the types of the fixture, or migrate the database',
  },
  '42P01': { code: 'schema', hint: 'migrate the database, or name its schema with --schema' },
  '42804': OTHER_TYPE,
  '42846': OTHER_TYPE,
  '42703': { code: 'schema', hint: 'migrate the database to a version of certctl that has this column' },
  '53': { code: 'server', isVague: true, hint: 'the server is out of a resource: see its log' },
  '53300': {
    code: 'connect',
    hint: 'no connection is left: lower --jobs, close others, or raise the limit; ci needs two to measure a load',
  },
  '53400': { code: 'server', hint: 'raise the limit that the message names for the role' },
  '55P03': { code: 'locked', hint: 'another session holds a lock: see pg_locks, and run the command again' },
  '55000': OWN_MAKING,
  // Which of the two it was the message alone says, in the server's language.
  '57014': {
    code: 'timeout',
    hint: 'raise statement_timeout, which the role, the database or the URL sets; if somebody cancelled it, run the command again',
  },
  '57P05': { code: 'timeout', hint: 'raise idle_session_timeout for the role' },
  '57P03': { code: 'connect', hint: 'the server is starting up or shutting down: --wait 30s waits for it' },
  '57': { code: 'server', hint: 'the server ended the session: see its log, then run the command again' },
};

/** What one means in a phase of its own: a deletion lacks no parent, and a reset may meet the fixture's own rows. */
const MEANINGS_IN: Partial<Record<Phase, Readonly<Record<string, Meaning>>>> = {
  connect: {
    '0A000': { code: 'connect', isVague: true, hint: 'the server supports no such connection: see its log' },
    '55000': {
      code: 'connect',
      isVague: true,
      hint: 'alter the database to allow connections, or name another in the URL',
    },
  },
  clean: { '23503': { code: 'conflict', hint: REFERRING_HINT } },
  reset: {
    '23505': {
      code: 'conflict',
      hint: "another row has the same key: see `scale-seed verify`; if it is the fixture's own, `scale-seed clean` and then `load`",
    },
  },
};

const LOST_HINT = 'the connection was lost; nothing uncommitted stands, so run the command again';
const WORKER_HINT = 'Citus has no connection to that worker: see that it runs, then run the command again';
/** How Citus says so, with whichever SQLSTATE. */
const LOST_WORKER =
  / to the remote node|^failure on connection marked as essential|^failed to COPY to shard \d+ on/;
const UNEXPECTED_HINT = 'this is an error of scale-seed: please report it, with all that is printed here';
const LOGIN_REFUSED = /^(SASL|Unknown authenticat)/;
const FORBIDDEN_HINT =
  "the server's pg_hba.conf, or the pooler, allows no such connection: check the host, the user, the database and sslmode";
/** What a password is of no use against. */
const FORBIDS = /pg_hba\.conf|^(Peer|Ident) authentication failed/;
const NETWORK_HINT = 'is the server running there? --wait 30s waits for it; --database-url names another';

/** Whatever was thrown as the one error type, which passes through; what nobody recognises keeps its message. */
export function translateError(error: unknown, context: Context): ScaleSeedError {
  if (error instanceof ScaleSeedError) return error;
  // Node's own waits are aborted with an error of their own, which has the reason.
  if (error instanceof Error && error.name === 'AbortError' && error.cause !== undefined)
    return translateError(error.cause, context);
  const { during, ...rest } = context;
  const { code, hint } = abortOf(error) ?? meaningOf(error, context);
  const prefix = during === undefined ? '' : `${during}: `;
  const sqlState = error instanceof pg.DatabaseError ? error.code : undefined;
  return new ScaleSeedError(prefix + textOf(error), { hint, ...rest, code, sqlState, cause: error });
}

/** What a run is aborted with: the time limit's reason, or that of the caller's controller. */
function abortOf(error: unknown): Meaning | undefined {
  if (!(error instanceof DOMException)) return undefined;
  if (error.name === 'TimeoutError')
    return { code: 'timeout', hint: 'raise the time limit (--timeout, timeoutMs)' };
  return error.name === 'AbortError' ? { code: 'interrupted' } : undefined;
}

function meaningOf(error: unknown, { phase }: Context): Meaning {
  if (error instanceof pg.DatabaseError && error.code !== undefined) {
    if (LOST_WORKER.test(error.message)) return { code: 'server', hint: WORKER_HINT };
    if (FORBIDS.test(error.message)) return { code: 'connect', hint: FORBIDDEN_HINT };
    if (error.code.startsWith('08')) return meaningOfPooler(error, phase);
    if (error.code === '57014' && error.message.includes('user request'))
      return { code: 'server', hint: 'somebody cancelled it (pg_cancel_backend): run the command again' };
    const meaning = MEANINGS_IN[phase]?.[error.code] ??
      MEANINGS[error.code] ??
      MEANINGS[error.code.slice(0, 2)] ?? { code: 'server', isVague: true };
    const hint = meaning.isVague === true ? (error.hint ?? meaning.hint) : meaning.hint;
    return hint === undefined ? meaning : { ...meaning, hint };
  }
  const loginHint = phase === 'connect' ? loginHintOf(error) : undefined;
  if (loginHint !== undefined) return { code: 'connect', hint: loginHint };
  // An error of the server's without an SQLSTATE is none.
  if (!isNetworkError(error) && !(phase === 'connect' && error instanceof pg.DatabaseError))
    return { code: 'unexpected', hint: UNEXPECTED_HINT };
  return phase === 'connect' ? { code: 'connect', hint: NETWORK_HINT } : { code: 'server', hint: LOST_HINT };
}

/** What helps where the client itself, by what pg, Node or OpenSSL makes of the server, ends a login. */
function loginHintOf(error: unknown): string | undefined {
  const message = messageOf(error);
  if (message.includes('scramMaxIterations'))
    return 'lower scram_iterations on the server, and set the password again';
  if (message.startsWith('SASL')) return MEANINGS['28']!.hint;
  if (isCertificateError(error))
    return "sslrootcert must name the CA of the server's certificate, sslcrl a list that is valid now, and with verify-full the certificate must be for the URL's host";
  if (lacksEncryption(error))
    return 'sslmode in the URL, or PGSSLMODE, asks for TLS, which the server does not have: `prefer` takes it where it can';
  if (FORBIDS.test(message)) return FORBIDDEN_HINT;
  if (LOGIN_REFUSED.test(message))
    return 'the server asks for an authentication method that scale-seed does not support, such as GSSAPI: offer scram-sha-256 or another password in pg_hba.conf';
  return undefined;
}

/** Errors of the socket, of a stream over it, and what pg says once it is gone; Node gives several the code of the first. */
function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  const gone =
    /^(Connection terminated|timeout expired)|not queryable|no PostgreSQL server$|error establishing an SSL/;
  return /^(E[A-Z]+|ERR_(STREAM|SOCKET|SSL|TLS)_\w+)$/.test(code) || gone.test(error.message);
}

/** Whether nobody is let in like this, now or later, by a pooler or by what pg makes of a login; servers have an SQLSTATE for it. */
export function isLoginError(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return LOGIN_REFUSED.test(messageOf(error));
  return error.code === '08P01' && (WRONG_LOGIN.test(error.message) || FORBIDDEN.test(error.message));
}

/** What PgBouncer says of a login that is wrong, there or at the server, and of one that it does not want. */
const WRONG_LOGIN = /authentication failed|no such user|wrong password/;
const FORBIDDEN = /not allowed|connection required|SSL required|certificate required|login rejected/;

/** What stands between us and the server, PgBouncer, lets nobody in, or has lost the way to it. */
function meaningOfPooler({ message }: pg.DatabaseError, phase: Phase): Meaning {
  if (message.includes('statement pooling mode'))
    return { code: 'configuration', hint: 'set pool_mode = transaction, or session, in the pooler' };
  if (/no such database|database ".*" does not exist/.test(message)) return MEANINGS['3D000']!;
  if (WRONG_LOGIN.test(message)) return MEANINGS['28']!;
  if (FORBIDDEN.test(message)) return { code: 'connect', hint: FORBIDDEN_HINT };
  if (message.includes('startup parameter'))
    return { code: 'configuration', hint: 'leave it out of the URL: --schema names a schema without it' };
  if (phase === 'connect') return { code: 'connect', hint: NETWORK_HINT };
  return {
    code: 'server',
    hint: 'a connection pooler answered this: see its log, then run the command again',
  };
}

function textOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'AbortError') return 'interrupted';
  if (!(error instanceof pg.DatabaseError)) return messageOf(error);
  const where = error.where?.split('\n') ?? [];
  // Which of its workers Citus has heard it from, wherever that stands.
  const worker = where.find((line) => line.startsWith('while executing command on '));
  // So libpq, by which Citus reaches its workers, breaks lines.
  const message = error.message.replaceAll('\n\t', ' ');
  return [message, error.detail, worker ?? where[0]].filter(Boolean).join('; ');
}
