import { parseConnection } from './parse-connection.js';
import { refuse } from './refuse.js';

/** Parameters of which any value is taken; those for GSSAPI change nothing where nothing speaks it. */
const ANY =
  'host hostaddr port dbname user password passfile options application_name fallback_application_name ' +
  'sslrootcert sslcert sslkey sslpassword sslcrl sslcompression require_auth gsslib krbsrvname';
const NUMBERS =
  'connect_timeout keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout';

/** What may be chosen, of libpq's choices those that are honoured; `-` is the empty word. */
const CHOICES: Readonly<Record<string, string>> = {
  sslmode: 'disable allow prefer require verify-ca verify-full',
  sslnegotiation: 'postgres direct',
  sslcertmode: 'allow disable',
  sslsni: '1',
  ssl_min_protocol_version: '- TLSv1 TLSv1.1 TLSv1.2 TLSv1.3',
  ssl_max_protocol_version: '- TLSv1 TLSv1.1 TLSv1.2 TLSv1.3',
  min_protocol_version: '3.0',
  max_protocol_version: '3.0 3.2 latest',
  channel_binding: 'disable prefer require',
  gssencmode: 'disable prefer',
  gssdelegation: '- 0',
  // Every command needs temporary tables, which no standby has.
  target_session_attrs: 'any read-write primary',
  load_balance_hosts: 'disable',
  // Rows are sent in UTF8.
  client_encoding: '- auto UTF8 UTF-8 utf8 utf-8 unicode',
  replication: '- 0 false off no',
};

/** What to do instead of what is not to be had. */
const REFUSED: Readonly<Record<string, string>> = {
  service: 'give what the service holds: service files are not read',
  requirepeer: 'give require_auth=scram-sha-256, by which the server proves that it is the right one',
  sslcrldir: 'give the one file that counts, as sslcrl',
  sslkeylogfile: 'leave it out: no keys are written',
  scram_client_key: 'give the password',
  scram_server_key: 'give the password',
  oauth_issuer: 'log in by password or certificate',
  oauth_client_id: 'log in by password or certificate',
  oauth_client_secret: 'log in by password or certificate',
  oauth_scope: 'log in by password or certificate',
};

/** Every parameter of libpq's in PostgreSQL 18. */
export const NAMES: readonly string[] = [
  ...[...ANY.split(' '), ...NUMBERS.split(' ')],
  ...[...Object.keys(CHOICES), ...Object.keys(REFUSED)],
];

/** More than a name, which the message of a failure would repeat with the password in it. */
const NOT_NAMES: Readonly<Record<string, RegExp>> = {
  host: /(^|,)[^,/@][^,]*@/,
  dbname: /^postgres(ql)?:\/\//,
};

/** Parameters whose values nobody may see. */
const SECRET = /password|secret|^scram_/;

export type Environment = Readonly<Record<string, string | undefined>>;
/** Parameters by name; one that nobody gives is not there. */
export type Parameters = Readonly<Record<string, string | undefined>>;

const IRREGULAR = new Map([
  ['dbname', 'PGDATABASE'],
  ['application_name', 'PGAPPNAME'],
  ['connect_timeout', 'PGCONNECT_TIMEOUT'],
]);
const WITHOUT_VARIABLE = /^(fallback_|keepalives|tcp_|sslpassword|sslkeylogfile|replication|scram_|oauth_)/;

/** The variable that stands in for a parameter, where there is one. */
export function variableOf(name: string): string | undefined {
  if (WITHOUT_VARIABLE.test(name)) return undefined;
  return IRREGULAR.get(name) ?? `PG${name.toUpperCase().replaceAll('_', '')}`;
}

/**
 * The parameters of a connection string, each of those that it leaves out from its variable. PGREQUIRESSL is what
 * sslmode=require is; PGTZ, PGDATESTYLE and PGGEQO are the session's own matter.
 */
export function readParameters(text: string | undefined, env: Environment): Parameters {
  const given = new Map(text === undefined ? [] : parseConnection(text));
  const unknown = [...given.keys()].find((name) => !NAMES.includes(name));
  if (unknown !== undefined) {
    // What follows an unescaped & or space in a secret looks like a name.
    const hasSecret = [...given.keys()].some((name) => SECRET.test(name));
    const shown = /^\w{1,40}$/.test(unknown) && !hasSecret ? `: ${unknown}` : '';
    throw refuse(`the database URL has a parameter that is not understood${shown}`, 'leave it out');
  }
  const parameters: Record<string, string | undefined> = {};
  for (const name of NAMES) {
    const variable = variableOf(name);
    const value = given.get(name) ?? (variable && env[variable]);
    if (value === undefined) continue;
    check(name, value, given.has(name) ? name : variable!);
    parameters[name] = value;
  }
  const strict = parameters.sslrootcert === 'system' ? 'verify-full' : 'prefer';
  parameters.sslmode ??= env.PGREQUIRESSL?.startsWith('1') ? 'require' : strict;
  checkTogether(parameters);
  return parameters;
}

/** What libpq refuses on a socket, too, where nothing is encrypted. */
function checkTogether(parameters: Parameters): void {
  const { sslmode = '', sslrootcert, sslnegotiation } = parameters;
  const { ssl_min_protocol_version: min = 'TLSv1.2', ssl_max_protocol_version: max = '' } = parameters;
  // An empty word sets no limit; the names are in the order of their versions.
  if (min !== '' && max !== '' && min > max)
    throw refuse(
      'ssl_max_protocol_version is below ssl_min_protocol_version, which is TLSv1.2 unless it is given',
      'raise ssl_max_protocol_version, or leave it out',
    );
  if (sslrootcert === 'system' && sslmode !== 'verify-full')
    throw refuse('sslrootcert=system needs sslmode=verify-full', 'leave out sslmode');
  if (sslnegotiation === 'direct' && ['disable', 'allow', 'prefer'].includes(sslmode))
    throw refuse('sslnegotiation=direct needs sslmode=require or more', 'give sslmode=verify-full');
}

function check(name: string, value: string, shown: string): void {
  const choices = CHOICES[name]?.split(' ').map((choice) => choice.replace(/^-$/, ''));
  const refused = REFUSED[name];
  // The empty word asks for nothing, but for a service that is not there.
  if (refused !== undefined && (value !== '' || name === 'service'))
    throw refuse(`${shown} is not supported`, refused);
  if (NOT_NAMES[name]?.test(value))
    throw refuse(`${shown} is not a name`, 'give a whole connection string as DATABASE_URL');
  if (choices !== undefined && !choices.includes(value))
    throw refuse(`${shown} is not one of ${choices.filter(Boolean).join(', ')}`, `check ${shown}`);
  if (NUMBERS.split(' ').includes(name) && Number.isNaN(integerFrom(value)))
    throw refuse(`${shown} is not a whole number`, `check ${shown}`);
  if (name === 'keepalives_idle' && Number(value) < 0) throw refuse(`${shown} is below 0`, `check ${shown}`);
}

/** A number as libpq reads it: decimal digits that fit into 32 bits; else NaN. */
export function integerFrom(text: string): number {
  const number = /^[\t-\r ]*[+-]?\d+[\t-\r ]*$/.test(text) ? Number(text) : Number.NaN;
  return number >= -(2 ** 31) && number < 2 ** 31 ? number : Number.NaN;
}
