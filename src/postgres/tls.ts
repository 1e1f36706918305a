import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { delimiter, join } from 'node:path';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import pg from 'pg';
import { messageOf } from '../errors.js';
import type { Place } from './hosts.js';
import type { Environment, Parameters } from './parameters.js';
import { refuse } from './refuse.js';

/** How a connection is encrypted; false for plain text. */
export type Ssl = ConnectionOptions | false;

/** Where Debian, Red Hat, and Alpine and macOS keep the roots that their OpenSSL trusts. */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
];

/**
 * How a connection over TCP is encrypted first, and how where the server refuses that (`prefer`, `allow`). As in libpq, every
 * mode verifies the server's certificate where there is a root certificate, and files in ~/.postgresql stand in for others.
 */
export function chooseTls(
  parameters: Parameters,
  env: Environment,
  home: string | undefined,
  warn: (message: string) => void,
): { ssl: Ssl; otherSsl?: Ssl } {
  const { sslmode = 'prefer', sslrootcert, sslcert, sslkey, sslcrl } = parameters;
  const optional = sslmode === 'allow' || sslmode === 'prefer';
  if (sslmode === 'disable') return { ssl: false };
  try {
    const ssl = tlsOptions(sslmode, parameters, env, home);
    if (sslmode === 'allow') return { ssl: false, otherSsl: ssl };
    return optional ? { ssl, otherSsl: false } : { ssl };
  } catch (error) {
    if (!optional || [sslrootcert, sslcert, sslkey, sslcrl].some(Boolean)) throw error;
    warn(`${messageOf(error)}: nothing is encrypted`);
    return { ssl: false };
  }
}

function tlsOptions(
  mode: string,
  parameters: Parameters,
  env: Environment,
  home: string | undefined,
): ConnectionOptions {
  const fileOf = (name: string, usual: string): string | undefined => {
    const file = home === undefined ? '' : join(home, '.postgresql', usual);
    return parameters[name] || (existsSync(file) ? file : undefined);
  };
  const named = fileOf('sslrootcert', 'root.crt');
  const [roots, crl] = [
    named === 'system' ? systemRoots(env) : named === undefined ? undefined : [named],
    fileOf('sslcrl', 'root.crl'),
  ];
  const [cert, key] = [fileOf('sslcert', 'postgresql.crt'), fileOf('sslkey', 'postgresql.key')];
  if (mode.startsWith('verify') && roots === undefined)
    throw refuse(`sslmode=${mode} needs a root certificate`, 'give sslrootcert, or sslrootcert=system');
  try {
    const ssl: ConnectionOptions = { rejectUnauthorized: roots !== undefined, ...versions(parameters) };
    if (roots !== undefined) ssl.ca = roots.map((file) => readFileSync(file));
    if (roots !== undefined && crl !== undefined) ssl.crl = readFileSync(crl);
    if (cert !== undefined && parameters.sslcertmode !== 'disable')
      Object.assign(ssl, { cert: readFileSync(cert), key: readKey(key), passphrase: parameters.sslpassword });
    ssl.checkServerIdentity = mode === 'verify-full' ? checkName : () => undefined;
    checkUsable(ssl);
    return ssl;
  } catch (error) {
    // Whoever pastes a key in place of its file's name is not to see it again.
    const text = messageOf(error).replaceAll(parameters.sslkey || '-----', 'the file of sslkey');
    const hint =
      'check sslrootcert, sslcert, sslkey and sslcrl, PGSSLROOTCERT and its companions, or ~/.postgresql';
    throw refuse(`a certificate or key cannot be used: ${text}`, hint, error);
  }
}

/** The files that OpenSSL would trust; in a folder it finds them by the hash of their owner's name. */
function systemRoots({ SSL_CERT_FILE, SSL_CERT_DIR }: Environment): string[] {
  const folders = SSL_CERT_DIR?.split(delimiter).filter((folder) => existsSync(folder)) ?? [];
  const hashed = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /^[\da-f]{8}\.\d+$/.test(name))
      .map((name) => join(folder, name)),
  );
  const file = SSL_CERT_FILE || (SSL_CERT_DIR ? undefined : SYSTEM_ROOTS.find((known) => existsSync(known)));
  const files = file === undefined ? hashed : [file, ...hashed];
  if (files.length > 0) return files;
  throw refuse(
    "the system's root certificates are not found",
    'name their file by SSL_CERT_FILE, or their folder by SSL_CERT_DIR',
  );
}

/** libpq takes no key that others may read; one of root's may be read by a group. */
function readKey(file: string | undefined): Buffer {
  if (file === undefined) throw new Error('sslcert needs sslkey');
  const key = readFileSync(file);
  const { mode, uid } = statSync(file);
  if (process.getuid !== undefined && (mode & (uid === 0 ? 0o037 : 0o077)) !== 0)
    throw new Error(`others may read ${file}: chmod 600 it`);
  return key;
}

/** As libpq has them, whatever Node's own limits are. */
function versions({
  ssl_min_protocol_version: min = 'TLSv1.2',
  ssl_max_protocol_version: max,
}: Parameters): object {
  return { minVersion: min || 'TLSv1', maxVersion: max || 'TLSv1.3' };
}

/** node-postgres would load certificates and key only once it is connected. */
function checkUsable(ssl: ConnectionOptions): void {
  if ((ssl.ca ?? ssl.cert) === undefined) return;
  // Asked for here and not before: whoever brings no certificate need not wait for these modules.
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  // A secure context takes any text for a CA.
  if (Array.isArray(ssl.ca)) for (const ca of ssl.ca) new X509Certificate(ca);
  process.getBuiltinModule('node:tls').createSecureContext(ssl);
}

/** Node's own check, less what libpq does not take: a `*` for a part of a label, and a dot at the end for nothing. */
function checkName(host: string, certificate: PeerCertificate): Error | undefined {
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  const found = process.getBuiltinModule('node:tls').checkServerIdentity(host, certificate);
  if (found !== undefined || isIP(host) !== 0) return found;
  if (new X509Certificate(certificate.raw).checkHost(host, { partialWildcards: false })) return undefined;
  return Object.assign(new Error(`the certificate is not for ${host}`), { code: 'ERR_TLS_CERT_NAME' });
}

/** The same for a server at an address of its own, whose certificate is for the host all the same. */
export function forPlace(ssl: Ssl, { host, address }: Place): Ssl {
  if (ssl === false || address === undefined) return ssl;
  return { ...ssl, host, ...(isIP(host) === 0 ? { servername: host } : {}) };
}

/** Whether the server's certificate is none that we may trust: it won't be by waiting. */
export function isCertificateError(error: unknown): boolean {
  return hasCode(
    error,
    /^(CERT_|CRL_|UNABLE_TO_|ERROR_IN_C|SELF_SIGNED|DEPTH_ZERO|PATH_LENGTH|INVALID_(CA|PURPOSE)|HOSTNAME_|UNSPECIFIED|ERR_TLS_CERT)/,
  );
}

/** Whether the other way could be let in: after a password that is wrong only one with TLS, which may ask for a certificate. */
export function refusesThisWay(error: unknown, otherSsl: Ssl): boolean {
  if (error instanceof pg.DatabaseError)
    return error.code === '28000' || (error.code === '28P01' && otherSsl !== false);
  return lacksEncryption(error) || isCertificateError(error) || hasCode(error, /^ERR_SSL_/);
}

export function lacksEncryption(error: unknown): boolean {
  return /server does not support SSL/i.test(messageOf(error));
}

function hasCode(error: unknown, pattern: RegExp): boolean {
  return error instanceof Error && 'code' in error && pattern.test(String(error.code));
}
