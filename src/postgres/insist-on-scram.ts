import type pg from 'pg';
import { internals } from './internals.js';
import { refuse } from './refuse.js';

/** Ways to log in that a caller may demand or forbid; those that are not spoken here never come to pass. */
const METHODS = ['password', 'md5', 'scram-sha-256', 'none', 'gss', 'sspi', 'oauth'];

/** What a server may ask for before it lets a client in. */
export interface Login {
  allowed: readonly string[];
  /** The password has to be bound to the server's certificate, so that nobody in between can pass it on. */
  bound: boolean;
}

/** What libpq's require_auth allows: a list of methods, or of methods with a `!` that it forbids. */
export function parseRequireAuth(text = ''): readonly string[] {
  if (text === '') return METHODS;
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
  const refusal = bound
    ? 'the server does not bind the login to its certificate, which channel_binding=require demands'
    : `the server does not prove by ${allowed.join(' or ')} that it knows the password`;
  let method = 'none';
  let proven = false;
  const check = (asked: string, fits: boolean): void => {
    method = asked;
    if (fits && allowed.includes(asked)) return;
    connection.stream.destroy();
    connection.emit('error', new Error(refusal));
  };
  connection.once('authenticationCleartextPassword', () => {
    check('password', !bound);
  });
  connection.once('authenticationMD5Password', () => {
    check('md5', !bound);
  });
  connection.once('authenticationSASL', ({ mechanisms }: { mechanisms: string[] }) => {
    check('scram-sha-256', !bound || mechanisms.includes('SCRAM-SHA-256-PLUS'));
  });
  connection.once('authenticationSASLFinal', () => (proven = true));
  connection.once('authenticationOk', () => {
    check(method, method === 'scram-sha-256' ? proven : !bound);
  });
}
