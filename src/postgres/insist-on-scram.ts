import type pg from 'pg';
import { internals } from './internals.js';
import { refuse } from './refuse.js';

/** Ways to log in that a caller may demand or forbid; those that are not spoken here never come to pass. */
const METHODS = ['password', 'md5', 'scram-sha-256', 'none', 'gss', 'sspi', 'oauth'];

/** What a server does that asks for one of them. */
const WANTS: Readonly<Record<string, string>> = {
  password: 'asks for the password itself',
  md5: 'asks for a password by md5',
  'scram-sha-256': 'asks for a password by scram-sha-256',
  none: 'asks for no login',
};
const ALLOWED_HINT =
  'require_auth in the URL, or PGREQUIREAUTH, does not allow that: check it, and which server this is';
const BOUND_HINT =
  'channel_binding=require in the URL, or PGCHANNELBINDING, demands it: that takes TLS and scram-sha-256';
const PROOF_HINT = 'it may be another that stands in its place: check the host and the port';

/** What a server may ask for before it lets a client in. */
export interface Login {
  allowed: readonly string[];
  /** The password has to be bound to the server's certificate, so that nobody in between can pass it on. */
  bound: boolean;
}

/** What libpq's require_auth allows: a list of methods, or of methods with a `!` that it forbids. */
export function parseRequireAuth(text?: string): readonly string[] {
  if (text === undefined) return METHODS;
  const forbids = text.startsWith('!');
  // Where one is forbidden all have to be.
  const words = text
    .split(',')
    .map((word) => (forbids ? word.replace(/^!?/, (mark) => (mark ? '' : '!')) : word));
  if (new Set(words).size < words.length || !words.every((word) => METHODS.includes(word))) {
    throw refuse('require_auth cannot be used as it is given', `give one or more of ${METHODS.join(', ')}`);
  }
  return METHODS.filter((method) => words.includes(method) !== forbids);
}

/** Has a client log in as it is told or not at all: it refuses before it answers, so a wrong server learns nothing. */
export function restrictLogin(client: pg.Client, { allowed, bound }: Login): void {
  const { connection } = internals(client);
  let method = 'none';
  let proven = false;
  const check = (asked: string, fits: boolean): void => {
    method = asked;
    if (bound && !fits) fail(refuse('the server does not bind the login to its certificate', BOUND_HINT));
    else if (!allowed.includes(asked)) fail(refuse(`the server ${WANTS[asked]!}`, ALLOWED_HINT));
    else if (!fits) fail(refuse('the server does not prove that it knows the password', PROOF_HINT));
  };
  const fail = (error: Error): void => {
    connection.stream.destroy();
    connection.emit('error', error);
  };
  connection.once('authenticationCleartextPassword', () => {
    check('password', !bound);
  });
  connection.once('authenticationMD5Password', () => {
    check('md5', !bound);
  });
  connection.once('authenticationSASL', ({ mechanisms }: { mechanisms: string[] }) => {
    // pg would ask for a password first.
    if (!mechanisms.some((mechanism) => mechanism.startsWith('SCRAM-SHA-256')))
      fail(new Error(`Unknown authentication mechanism: ${mechanisms.join(', ')}`));
    else check('scram-sha-256', !bound || mechanisms.includes('SCRAM-SHA-256-PLUS'));
  });
  connection.once('authenticationSASLFinal', () => (proven = true));
  connection.once('authenticationOk', () => {
    check(method, method === 'scram-sha-256' ? proven : !bound);
  });
}
