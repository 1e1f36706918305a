import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { messageOf, ScaleSeedError } from '../errors.js';

type Environment = Readonly<Record<string, string | undefined>>;
type Ssl = pg.ClientConfig['ssl'];

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

/** Parameters of a URL, with the variable and the file in ~/.postgresql that libpq takes in their place. */
const PARAMETERS = [
  { name: 'sslmode', variable: 'PGSSLMODE' },
  { name: 'sslrootcert', variable: 'PGSSLROOTCERT', file: 'root.crt' },
  { name: 'sslcert', variable: 'PGSSLCERT', file: 'postgresql.crt' },
  { name: 'sslkey', variable: 'PGSSLKEY', file: 'postgresql.key' },
] as const;

/**
 * A URL's parameters for TLS, each of them as libpq finds it, and in the words of node-postgres.
 *
 * @throws ScaleSeedError `configuration` for a mode that libpq does not know, or that lacks a certificate.
 */
export function tlsParameters(url: URL, env: Environment): { mode: string; parameters: URLSearchParams } {
  const parameters = new URLSearchParams(url.searchParams);
  parameters.delete('uselibpqcompat');
  for (const { name, variable } of PARAMETERS) {
    if (!parameters.has(name) && env[variable]) parameters.set(name, env[variable]);
  }
  const mode = parameters.get('sslmode') ?? 'prefer';
  if (!MODES.includes(mode)) throw badTls(`sslmode=${mode} is not one of ${MODES.join(', ')}`);
  if (mode !== 'disable') addDefaultFiles(parameters, env);
  if (mode === 'verify-ca' && !parameters.has('sslrootcert'))
    throw badTls('sslmode=verify-ca needs sslrootcert');
  if (parameters.has('sslcert') && !parameters.has('sslkey')) throw badTls('sslcert needs sslkey');
  if (parameters.get('sslrootcert') === 'system') {
    parameters.delete('sslrootcert');
    parameters.set('sslmode', 'verify-full');
  } else {
    parameters.set('sslmode', mode === 'allow' ? 'prefer' : mode);
  }
  return { mode, parameters };
}

function addDefaultFiles(parameters: URLSearchParams, env: Environment): void {
  const folder = join(env.HOME ?? homedir(), '.postgresql');
  for (const parameter of PARAMETERS) {
    if (!('file' in parameter) || parameters.has(parameter.name)) continue;
    const file = join(folder, parameter.file);
    if (existsSync(file)) parameters.set(parameter.name, file);
  }
}

/**
 * What a mode tries first, and what it tries when that is refused: libpq's `allow` prefers plain text, `prefer` TLS. On a
 * socket of this machine's there is no TLS.
 */
export function tlsChoices(mode: string, tls: Ssl, host: string): { ssl: Ssl; otherSsl: Ssl | undefined } {
  if (host.startsWith('/')) return { ssl: false, otherSsl: undefined };
  if (mode === 'allow') return { ssl: false, otherSsl: tls };
  return { ssl: tls, otherSsl: mode === 'prefer' ? false : undefined };
}

/**
 * Loads certificates and key, which node-postgres would only do once it is connected.
 *
 * @throws ScaleSeedError `configuration`.
 */
export function checkCertificates(ssl: Ssl): void {
  if (typeof ssl !== 'object' || (ssl.ca ?? ssl.cert ?? ssl.key) === undefined) return;
  // Asked for here and not before: whoever brings no certificate need not wait for these modules.
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  try {
    // A secure context takes any text for a CA.
    if (typeof ssl.ca === 'string') new X509Certificate(ssl.ca);
    createSecureContext(ssl);
  } catch (error) {
    throw badTls(`a certificate or key cannot be used: ${messageOf(error)}`, error);
  }
}

/** Whether the server's certificate is none that we may trust: it won't be by waiting. */
export function isCertificateError(error: unknown): boolean {
  return hasCode(error, /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_(CA|PURPOSE)|ERR_TLS_CERT)/);
}

/** Whether the other way, with or without TLS, could be let in. */
export function refusesEncryption(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '28000';
  return lacksEncryption(error) || hasCode(error, /^ERR_SSL_/);
}

export function lacksEncryption(error: unknown): boolean {
  return /server does not support SSL/i.test(messageOf(error));
}

function hasCode(error: unknown, pattern: RegExp): boolean {
  return error instanceof Error && 'code' in error && pattern.test(String(error.code));
}

function badTls(what: string, cause?: unknown): ScaleSeedError {
  return new ScaleSeedError(`the database URL cannot be used: ${what}`, {
    code: 'configuration',
    phase: 'configure',
    hint: 'check sslmode, sslrootcert, sslcert and sslkey in the URL, PGSSLMODE and its companions, or ~/.postgresql',
    cause,
  });
}
