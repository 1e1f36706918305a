import type pg from 'pg';
import { parse } from 'pg-connection-string';
import { messageOf, ScaleSeedError } from '../errors.js';
import { numberFrom, parseUrl } from './parse-url.js';
import { findPassword } from './passfile.js';
import { checkCertificates, tlsChoices, tlsParameters } from './tls.js';

/** Where to connect. */
export interface Target {
  config: pg.ClientConfig;
  /** What to try when the server refuses `config.ssl`: libpq's `prefer`, the default, and `allow` have another way. */
  otherSsl: pg.ClientConfig['ssl'] | undefined;
  /** Log in by SCRAM or not at all. */
  scramOnly: boolean;
  /** The URL without its password or options, for messages and reports. */
  display: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const LOCATION_VARIABLES = ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER'] as const;

/**
 * The database that the caller names: `databaseUrl`, else DATABASE_URL, else libpq's PG* variables; undefined when
 * there is none of them.
 *
 * @throws ScaleSeedError `configuration` for PGSERVICE, whose file is not read, and for a URL or a certificate that cannot be used; the URL is never repeated.
 */
export function resolveTarget(
  databaseUrl: string | undefined,
  env: Environment = process.env,
): Target | undefined {
  const given = databaseUrl ?? (env.DATABASE_URL || undefined);
  if (given === undefined && env.PGSERVICE) throw noServiceFile();
  if (given === undefined && !LOCATION_VARIABLES.some((variable) => env[variable])) return undefined;
  return targetOf(parseUrl(given ?? 'postgresql://'), env);
}

function noServiceFile(): ScaleSeedError {
  return new ScaleSeedError('PGSERVICE is set, but service files are not read', {
    code: 'configuration',
    phase: 'configure',
    hint: 'name the database by --database-url, DATABASE_URL or PGHOST and its companions, and unset PGSERVICE',
  });
}

function targetOf(url: URL, env: Environment): Target {
  const { mode, parameters } = tlsParameters(url, env);
  const passfile = url.searchParams.get('passfile');
  const requireAuth = url.searchParams.get('require_auth') ?? (env.PGREQUIREAUTH || undefined);
  const connectTimeout = url.searchParams.get('connect_timeout') ?? (env.PGCONNECT_TIMEOUT || '10');
  const config = parseConfig(url, parameters);
  checkCertificates(config.ssl);
  const host = config.host ?? env.PGHOST ?? 'localhost';
  const port = numberFrom(portOf(url) ?? (env.PGPORT || '5432'), 'the port', 1, 65_535);
  const user = config.user ?? env.PGUSER;
  const database = config.database ?? env.PGDATABASE ?? user;
  const password = config.password ?? findPassword(passfile, env, { host, port, database, user });
  const { ssl, otherSsl } = tlsChoices(mode, config.ssl, host);
  return {
    config: {
      ...config,
      ssl,
      ...(password === undefined ? {} : { password }),
      port,
      connectionTimeoutMillis: numberFrom(connectTimeout, 'connect_timeout', 0, 86_400) * 1000,
    },
    otherSsl,
    scramOnly: mustBeScram(requireAuth),
    display: `postgresql://${user === undefined ? '' : `${user}@`}${host.startsWith('/') ? '' : `${host}:${port}`}/${database ?? ''}`,
  };
}

function portOf({ port, searchParams }: URL): string | undefined {
  return searchParams.get('port') ?? (port || undefined);
}

/** Of libpq's choices this one alone keeps the password from a server that is not the right one. */
function mustBeScram(requireAuth: string | undefined): boolean {
  if (requireAuth === undefined || requireAuth === 'scram-sha-256') return requireAuth !== undefined;
  throw new ScaleSeedError('require_auth can be nothing but scram-sha-256', {
    code: 'configuration',
    phase: 'configure',
    hint: 'check the database URL, or PGREQUIREAUTH',
  });
}

/** The parts that node-postgres takes, with sslmode meaning what it means to libpq. */
function parseConfig(url: URL, parameters: URLSearchParams): pg.ClientConfig & { host?: string } {
  const text = `${url.protocol}//${url.username}${url.password === '' ? '' : `:${url.password}`}${url.username === '' ? '' : '@'}${url.host}${url.pathname}?${parameters.toString()}`;
  try {
    const { host, user, password, ssl, options, ...rest } = parse(text, { useLibpqCompat: true });
    const database = rest.database ?? parameters.get('dbname');
    return {
      ...(host ? { host } : {}),
      ...(user ? { user } : {}),
      ...(password ? { password } : {}),
      ...(database ? { database } : {}),
      ...(options ? { options } : {}),
      ssl: ssl as pg.ClientConfig['ssl'],
    };
  } catch (error) {
    // Whoever pastes the key itself in place of its file's name is not to see it again.
    const key = parameters.get('sslkey');
    const text = key ? messageOf(error).replaceAll(key, 'the file of sslkey') : messageOf(error);
    throw new ScaleSeedError(`the database URL cannot be used: ${text}`, {
      code: 'configuration',
      phase: 'configure',
      hint: 'check sslmode, sslrootcert, sslcert and sslkey in the URL or in PGSSLMODE and its companions',
    });
  }
}
