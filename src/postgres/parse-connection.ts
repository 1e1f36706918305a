import type { ScaleSeedError } from '../errors.js';
import { refuse } from './refuse.js';

type Pairs = [name: string, value: string][];

const URI =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^@/:]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/?]*)(?:\/(?<dbname>[^?]*))?(?:\?(?<query>.*))?$/s;
const HOST = /^(?:\[([^\]]+)\]|([^:[@]*))(?::(.*))?$/;
/** Blanks are C's, of which there are fewer than \s takes. */
const PAIR =
  /[\t-\r ]*([^\t-\r =]+)[\t-\r ]*=[\t-\r ]*(?:'((?:\\.|[^'\\])*)'|((?!')(?:\\.|[^\t-\r \\])*))[\t-\r ]*/gsy;

/**
 * The parameters of a connection string in either of libpq's forms, `postgresql://...` or `host=... dbname=...`. One
 * that was misread could show a part of its password as its host or database in a message, and is refused.
 */
export function parseConnection(text: string): Pairs {
  const parts = URI.exec(text)?.groups;
  if (parts !== undefined) return pairsOfUri(parts);
  if (/^[\t-\r ]*\w+[\t-\r ]*=/.test(text)) return pairsOfWords(text);
  throw malformed();
}

function pairsOfUri(parts: Record<string, string | undefined>): Pairs {
  const { user, password, hosts = '', dbname, query } = parts;
  // A slash or an at sign in a password ends what libpq takes for it; the at sign before the real hosts is left over.
  const names = query?.replace(/=[^&]*/g, '') ?? '';
  if (`${dbname ?? ''}?${names}`.includes('@')) throw malformed();
  if (password !== undefined && /(^|&)(user|host|dbname)=[^&]+@/.test(query ?? '')) throw malformed();
  const servers = hosts.split(',').map((host) => HOST.exec(host) ?? []);
  if (servers.some(({ length }) => length === 0)) throw malformed();
  const listed = {
    user,
    password,
    host: servers.map(([, address, name]) => address ?? name ?? '').join(','),
    port: servers.map(([, , , port]) => port ?? '').join(','),
    dbname,
  };
  const pairs = Object.entries(listed).flatMap(([name, value]): Pairs =>
    value ? [[name, decode(value)]] : [],
  );
  return [...pairs, ...(query ? query.replace(/&$/, '').split('&').map(pairOfQuery) : [])];
}

function pairOfQuery(text: string): [string, string] {
  const [, name, value] = /^([^=]*)=([^=]*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw malformed();
  return name === 'ssl' && value === 'true' ? ['sslmode', 'require'] : rename(decode(name), decode(value));
}

function pairsOfWords(text: string): Pairs {
  const found = [...text.matchAll(PAIR)];
  if (found.map(([whole]) => whole).join('') !== text) throw malformed();
  const unescape = (value: string): string => value.replace(/\\(.)/gs, '$1');
  return found.map(([, name = '', quoted, plain]) => rename(name, unescape(quoted ?? plain ?? '')));
}

/** A name of old. */
function rename(name: string, value: string): [string, string] {
  return name === 'requiressl' ? ['sslmode', value.startsWith('1') ? 'require' : 'prefer'] : [name, value];
}

function decode(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    // A blank that stands for itself is a part of its name to one libpq, and none to a later one.
    if (!decoded.includes('\0') && !/[\t-\r ]/.test(text)) return decoded;
  } catch {
    // A % that stands for itself.
  }
  throw malformed();
}

function malformed(): ScaleSeedError {
  return refuse(
    'the database URL is not a PostgreSQL connection string',
    'write it as postgresql://USER@HOST:5432/DATABASE, special characters in it percent-encoded',
  );
}
