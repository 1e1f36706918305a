import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' });
const NEW_KEY = ['-newkey', 'rsa:2048', '-nodes'];

/** Makes `NAME.crt` and `NAME.key` of a certificate authority in a folder. */
export function makeAuthority(folder: string, name: string): void {
  const [key, crt] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  openssl('req', '-x509', ...NEW_KEY, '-keyout', key, '-out', crt, '-days', '2', '-subj', `/CN=${name}`);
}

/** Makes `NAME.crt` and `NAME.key`, signed by an authority in the same folder, for a common name that is also a host. */
export function makeCertificate(folder: string, authority: string, name: string, commonName: string): void {
  const file = (suffix: string): string => join(folder, `${name}.${suffix}`);
  const ca = (suffix: string): string => join(folder, `${authority}.${suffix}`);
  openssl('req', ...NEW_KEY, '-keyout', file('key'), '-out', file('csr'), '-subj', `/CN=${commonName}`);
  writeFileSync(file('ext'), `subjectAltName=DNS:${commonName}\n`);
  const signer = ['-CA', ca('crt'), '-CAkey', ca('key'), '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', file('csr'), ...signer, '-extfile', file('ext'), '-out', file('crt'));
}

/** Makes an authority's revocation lists: `none-revoked.crl`, `expired.crl` and `to-come.crl` with none, and `NAME-revoked.crl`, which holds that certificate. */
export function makeRevocations(folder: string, authority: string, name: string): void {
  const file = (base: string): string => join(folder, base);
  const config = file('revocations.cnf');
  writeFileSync(file('revocations.txt'), '');
  writeFileSync(
    config,
    `[ca]\ndefault_ca = own\n[own]\ndatabase = ${file('revocations.txt')}\ndefault_md = sha256\n`,
  );
  const signer = ['-config', config, '-cert', file(`${authority}.crt`), '-keyfile', file(`${authority}.key`)];
  openssl('ca', ...signer, '-gencrl', '-crldays', '2', '-out', file('none-revoked.crl'));
  const dated = (name: string, year: number): unknown => {
    const dates = ['-crl_lastupdate', `${year}0101000000Z`, '-crl_nextupdate', `${year}0102000000Z`];
    return openssl('ca', ...signer, '-gencrl', ...dates, '-out', file(`${name}.crl`));
  };
  dated('expired', 2020);
  dated('to-come', 2049);
  openssl('ca', ...signer, '-revoke', file(`${name}.crt`));
  openssl('ca', ...signer, '-gencrl', '-crldays', '2', '-out', file(`${name}-revoked.crl`));
}
