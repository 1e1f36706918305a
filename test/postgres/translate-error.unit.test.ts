import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { isLoginError, translateError } from '../../src/postgres/translate-error.js';

/** An error as the server sends it. */
function serverError(code: string, message: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), { code });
}

describe('what is to be done about an error', () => {
  it.each([
    ['connect', '28000', 'pg_hba.conf rejects connection for host "::1", user "u", no encryption', 'sslmode'],
    ['connect', '28000', 'Peer authentication failed for user "u"', 'pg_hba.conf'],
    ['connect', '28000', 'Ident authentication failed for user "u"', 'pg_hba.conf'],
    ['connect', '28P01', 'password authentication failed for user "u"', 'check the user and password'],
    ['verify', '53400', 'temporary file size exceeds temp_file_limit (100kB)', 'raise the limit'],
    ['verify', '53100', 'could not extend file', 'out of a resource'],
    ['connect', '53300', 'too many connections for role "u"', 'raise the limit'],
    ['copy', '22P05', 'unsupported Unicode escape sequence', 'no \\u0000 in jsonb'],
    ['copy', '57014', 'canceling statement due to statement timeout', 'the database or the URL sets'],
    ['connect', '55000', 'database "d" is not currently accepting connections', 'allow connections'],
    ['connect', '0A000', 'unsupported frontend protocol 3.0', 'no such connection'],
  ] as const)('in %s, %s: %s', (phase, code, message, hint) => {
    expect(translateError(serverError(code, message), { phase }).hint).toContain(hint);
  });

  it.each([
    ['0A000', 'schema'],
    ['55000', 'schema'],
    ['53200', 'server'],
    ['P0001', 'server'],
    ['42883', 'server'],
  ])('is the server’s own hint where %s says little', (code, meaning) => {
    const error = Object.assign(serverError(code, 'no'), { hint: 'do this' });
    expect(translateError(error, { phase: 'merge' })).toMatchObject({ code: meaning, hint: 'do this' });
  });

  it('is ours where it says more', () => {
    const error = Object.assign(serverError('23505', 'no'), { hint: 'do this' });
    expect(translateError(error, { phase: 'merge' }).hint).toContain('another row has the same key');
  });

  it.each([
    ['canceling statement due to statement timeout', 'timeout', 'raise statement_timeout'],
    ['canceling statement due to user request', 'server', 'run the command again'],
    ['storniere Anfrage wegen Benutzeraufforderung', 'timeout', 'if somebody cancelled it, run'],
  ])('that ended a statement: %s', (message, code, hint) => {
    const error = serverError('57014', message);
    expect(translateError(error, { phase: 'merge' })).toMatchObject({
      code,
      hint: expect.stringContaining(hint) as string,
    });
  });
});

describe('what PgBouncer answers', () => {
  it.each([
    ['SASL authentication failed', 'connect', 'check the user and password', true],
    ['password authentication failed', 'connect', 'check the user and password', true],
    [
      'server login failed: FATAL password authentication failed for user "u"',
      'connect',
      'check the user and password',
      true,
    ],
    ['no such user: u', 'connect', 'check the user and password', true],
    ['no such database: d', 'connect', 'create the database', false],
    ['server login failed: FATAL database "d" does not exist', 'connect', 'create the database', false],
    ['not allowed', 'connect', 'or the pooler, allows no such connection', true],
    ['SSL required', 'connect', 'or the pooler, allows no such connection', true],
    ['server login has been failing, try again later', 'connect', '--wait', false],
    ['server login failed: FATAL the database system is starting up', 'connect', '--wait', false],
    ['unsupported startup parameter: options', 'configuration', 'leave it out', false],
    ['transaction blocks not allowed in statement pooling mode', 'configuration', 'pool_mode', true],
  ])('%s', (message, code, hint, stays) => {
    const error = serverError('08P01', message);
    expect(translateError(error, { phase: 'connect' })).toMatchObject({
      code,
      hint: expect.stringContaining(hint) as string,
    });
    expect(isLoginError(error)).toBe(stays);
  });
});

describe('an error of Citus’s that a worker is lost', () => {
  it.each([
    ['08006', 'connection to the remote node a@127.0.0.1:1 failed with the following error: refused'],
    [
      '08006',
      'connection to the remote node a@127.0.0.1:1 failed with the following error: refused\n\tIs it running?',
    ],
    ['XX000', 'failure on connection marked as essential: 127.0.0.1:1'],
    ['XX000', 'failed to COPY to shard 102640 on 127.0.0.1:1'],
  ])('says what to do: %s, %s', (code, message) => {
    expect(translateError(serverError(code, message), { phase: 'merge' })).toMatchObject({
      code: 'server',
      message: message.replace('\n\t', ' '),
      hint: expect.stringContaining('no connection to that worker') as string,
    });
  });

  it.each([
    ['XX000', 'cannot push down this subquery', undefined],
    ['08006', 'server closed the connection', 'pooler'],
    ['25P02', 'current transaction is aborted', undefined],
  ])('is not any other: %s, %s', (code, message, hint) => {
    const error = translateError(serverError(code, message), { phase: 'merge' });
    expect(error).toMatchObject({ code: 'server', message });
    expect(error.hint ?? '').toContain(hint ?? '');
    expect(error.hint ?? '').not.toContain('worker');
  });
});
