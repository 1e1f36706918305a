import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { refusal, type ScaleSeedError } from '../errors.js';
import { MAX_MS } from '../report/units.js';
import { defaultHost, isSocket, listPlaces, type Place } from './hosts.js';
import { parseRequireAuth, type Login } from './insist-on-scram.js';
import { readParameters, type Environment, type Parameters } from './parameters.js';
import { findPassword } from './passfile.js';
import { refuse } from './refuse.js';
import { chooseTls, forPlace, type Ssl } from './tls.js';

/** A server, and how to log in there. */
export interface Candidate {
  config: pg.ClientConfig & { host: string; port: number; ssl: Ssl; scramMaxIterations: number };
  /** What to try when the server refuses `config.ssl`. */
  otherSsl: Ssl | undefined;
  /** Its URL without password or options, for messages and reports. */
  display: string;
}

/** Where to connect. */
export interface Target {
  /** Servers to try in this order; as soon as one lets us in it is the only one. */
  servers: Candidate[];
  login: Login;
  /** What libpq's target_session_attrs wants of a server. */
  attributes: string;
  /** The URL without password or options, for messages and reports. */
  display: string;
  /** What was passed over, as psql would have warned. */
  warnings: string[];
}

/** Variables that say where: each of them alone leads psql to a server. */
const LOCATIONS = ['PGHOST', 'PGHOSTADDR', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGSERVICE'] as const;

/** Tuning for which Node has no setting. */
const UNTUNABLE = ['keepalives_interval', 'keepalives_count', 'tcp_user_timeout'] as const;

/** pg's own limit is below what servers have been set to; nothing can interrupt the computation, so it has one. */
const SCRAM_ITERATIONS = 10_000_000;
/** How long a server may take to answer where nobody says; libpq would wait for ever. */
const CONNECT_TIMEOUT_S = 10;
/** A watch on the connection from a time when a router may still know it. */
const KEEPALIVES_IDLE_S = 10;

/**
 * The database that the caller names, as psql would understand it: `databaseUrl`, else DATABASE_URL, else libpq's PG*
 * variables, which also stand in for what a URL leaves out. No error repeats a value, here and in all that this calls.
 */
export function resolveTarget(databaseUrl: string | undefined, env: Environment = process.env): Target {
  const given = databaseUrl ?? env.DATABASE_URL;
  if (given === '' || (given === undefined && !LOCATIONS.some((variable) => env[variable])))
    throw nothingNamed(databaseUrl, env);
  return targetOf(readParameters(given, env), env);
}

function nothingNamed(databaseUrl: string | undefined, { DATABASE_URL }: Environment): ScaleSeedError {
  const empty = databaseUrl === '' ? '--database-url is empty' : 'DATABASE_URL is set, but empty';
  const why = databaseUrl === undefined && DATABASE_URL === undefined ? '' : `: ${empty}`;
  return refusal(
    `no database is named${why}`,
    "give --database-url or DATABASE_URL, psql's PGHOST, PGDATABASE and so on, or --embedded for a server of scale-seed's own",
  );
}

function targetOf(parameters: Parameters, env: Environment): Target {
  const warnings = UNTUNABLE.filter((name) => parameters[name]).map((name) => `${name} has no effect here`);
  const warn = (message: string): unknown => warnings.push(message);
  const home = env.HOME || ifKnown(homedir);
  const user = parameters.user || ifKnown(() => userInfo().username);
  if (user === undefined)
    throw refuse('no user is named, and the system has no name for this one', 'set PGUSER');
  const database = parameters.dbname || user;
  const places = listPlaces(parameters);
  const tls = places.every(isSocket) ? { ssl: false as const } : chooseTls(parameters, env, home, warn);
  const passfile = parameters.passfile || (home && join(home, '.pgpass'));
  const servers = places.map((place): Candidate => {
    const login = [
      place.host === defaultHost() ? 'localhost' : place.host,
      String(place.port),
      database,
      user,
    ];
    const password = parameters.password || (passfile && findPassword(passfile, login, warn)) || noPassword;
    const { ssl, otherSsl } = isSocket(place) ? { ssl: false as const } : tls;
    return {
      config: { ...configOf(parameters, place, ssl), user, database, password },
      otherSsl: otherSsl && forPlace(otherSsl, place),
      display: displayOf(place, user, database),
    };
  });
  return {
    servers,
    login: {
      allowed: parseRequireAuth(parameters.require_auth),
      bound: parameters.channel_binding === 'require',
    },
    attributes: parameters.target_session_attrs ?? 'any',
    display: servers.map(({ display }) => display).join(' or '),
    warnings: [...new Set(warnings)],
  };
}

function configOf(parameters: Parameters, place: Place, ssl: Ssl): Omit<Candidate['config'], 'password'> {
  const { connect_timeout, application_name, fallback_application_name, keepalives, keepalives_idle } =
    parameters;
  return {
    host: place.address ?? place.host,
    port: place.port,
    ssl: forPlace(ssl, place),
    sslnegotiation: ssl !== false && parameters.sslnegotiation === 'direct' ? 'direct' : 'postgres',
    enableChannelBinding: ssl !== false && parameters.channel_binding !== 'disable',
    scramMaxIterations: SCRAM_ITERATIONS,
    options: parameters.options,
    application_name: application_name ?? (fallback_application_name || 'scale-seed'),
    connectionTimeoutMillis:
      Math.max(0, Math.min(Number(connect_timeout ?? CONNECT_TIMEOUT_S), Math.floor(MAX_MS / 1000))) * 1000,
    keepAlive: Number(keepalives ?? 1) !== 0,
    keepAliveInitialDelayMillis: Number(keepalives_idle ?? KEEPALIVES_IDLE_S) * 1000,
  };
}

/** As a URL again, where only a name with a colon or an at sign stays as it is, which may be a misplaced password. */
function displayOf(place: Place, user: string, database: string): string {
  const { host, port } = place;
  const [as, path] = [user, database].map((name) => name.replace(/[%?\s\p{Cc}]/gu, encodeURIComponent));
  if (isSocket(place)) return `postgresql://${as}@/${path}?host=${host}&port=${port}`;
  return `postgresql://${as}@${host.includes(':') ? `[${host}]` : host}:${port}/${path}`;
}

/** What node-postgres calls for a password where there is none: else it would look for one in places of its own. */
function noPassword(): never {
  throw refuse(
    'the server asks for a password, and none is given',
    'set PGPASSWORD, or give it in the URL or in a password file such as ~/.pgpass',
  );
}

/** What the system says, if it knows: a user id need not have an entry among its accounts. */
function ifKnown(ask: () => string): string | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
