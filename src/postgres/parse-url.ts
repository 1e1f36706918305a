import { ScaleSeedError } from '../errors.js';

/** Parameters that are understood, and those of libpq's without which a load is the same. */
const PARAMETERS = new Set([
  ...['host', 'port', 'user', 'password', 'dbname', 'passfile', 'options', 'connect_timeout', 'require_auth'],
  ...['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'uselibpqcompat'],
  ...['application_name', 'fallback_application_name', 'client_encoding', 'target_session_attrs'],
  ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'],
  ...['gssencmode', 'sslcompression', 'sslsni', 'channel_binding'],
]);

/**
 * A database URL. One that was misread could show a part of its password as its host or database in a message, and one
 * with a slip in a parameter's name would not do what that was meant to secure: both are refused.
 *
 * @throws ScaleSeedError `configuration`; the URL is never repeated.
 */
export function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['postgres:', 'postgresql:'].includes(url.protocol) || isMisread(url)) {
    throw badUrl('the database URL is not a PostgreSQL connection string');
  }
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined) {
    const shown = /^\w{1,40}$/.test(unknown) ? `: ${unknown}` : '';
    throw badUrl(`the database URL has a parameter that is not understood${shown}`, 'leave it out');
  }
  return url;
}

/** A TCP port, or a number of seconds, that a URL or a variable gives as text. */
export function numberFrom(text: string | undefined, what: string, lowest: number, highest: number): number {
  const number = /^\d+$/.test(text ?? '') ? Number(text) : NaN;
  if (number >= lowest && number <= highest) return number;
  throw badUrl(`${what} is not a whole number from ${lowest} to ${highest}`, `check ${what}`);
}

/** What comes of a `/`, `?`, `#` or `%` in a password that is not percent-encoded. */
function isMisread({ username, password, host, pathname, search, hash }: URL): boolean {
  const afterHost = username === '' && (pathname + search.replace(/=[^&]*/g, '')).includes('@');
  return hash !== '' || afterHost || ![username, password, host, pathname].every(isDecodable);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function badUrl(
  what: string,
  hint = 'write it as postgresql://USER@HOST:5432/DATABASE, special characters in it percent-encoded',
): ScaleSeedError {
  return new ScaleSeedError(what, { code: 'configuration', phase: 'configure', hint });
}
