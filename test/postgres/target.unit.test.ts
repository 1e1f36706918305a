import { describe, expect, it } from 'vitest';
import { resolveTarget } from '../../src/postgres/target.js';

describe('resolveTarget', () => {
  it('takes the URL, else DATABASE_URL, else PG*, else nothing', () => {
    const env = { DATABASE_URL: 'postgresql://env@two/b', PGHOST: 'three', PGDATABASE: 'c', PGUSER: 'u' };
    expect(resolveTarget('postgres://given@one:1/a', env)?.display).toBe('postgresql://given@one:1/a');
    expect(resolveTarget(undefined, env)?.display).toBe('postgresql://env@two:5432/b');
    expect(resolveTarget(undefined, { ...env, DATABASE_URL: '' })?.display).toBe(
      'postgresql://u@three:5432/c',
    );
    expect(resolveTarget(undefined, { PGSSLMODE: 'require' })).toBeUndefined();
  });

  it('does not pass over PGSERVICE, whose file it cannot read, unless a URL is given', () => {
    const env = { PGSERVICE: 'fleet' };
    expect(() => resolveTarget(undefined, env)).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: expect.stringContaining('PGSERVICE') as string,
      }),
    );
    expect(resolveTarget('postgresql://u@h/d', env)?.display).toBe('postgresql://u@h:5432/d');
  });

  it('never shows a password', () => {
    const target = resolveTarget('postgresql://u:s3cret@h/d?sslmode=disable&password=s3cret', {});
    expect(target?.display).toBe('postgresql://u@h:5432/d');
    for (const bad of ['mysql://u:s3cret@h/d', 's3cret', 'postgresql://u:s3cret@h:notaport/d']) {
      expect(() => resolveTarget(bad, {})).toThrow(
        expect.objectContaining({
          code: 'configuration',
          message: expect.not.stringContaining('s3cret') as string,
        }),
      );
    }
  });

  it.each<[string, unknown]>([
    ['disable', false],
    ['prefer', { rejectUnauthorized: false }],
    ['require', { rejectUnauthorized: false }],
    ['verify-full', {}],
  ])('understands sslmode=%s as libpq does', (mode, ssl) => {
    expect(resolveTarget(`postgresql://u@h/d?sslmode=${mode}`, {})?.config.ssl).toEqual(ssl);
    expect(resolveTarget('postgresql://u@h/d', { PGSSLMODE: mode })?.config.ssl).toEqual(ssl);
  });

  it('has another way only where libpq has one', () => {
    const choices = (query: string): unknown[] => {
      const target = resolveTarget(`postgresql://u@h/d${query}`, {});
      return [target?.config.ssl, target?.otherSsl];
    };
    const tls = { rejectUnauthorized: false };
    expect(choices('')).toEqual([tls, false]);
    expect(choices('?sslmode=prefer')).toEqual([tls, false]);
    expect(choices('?sslmode=allow')).toEqual([false, tls]);
    expect(choices('?sslmode=require')).toEqual([tls, undefined]);
    expect(choices('?sslmode=require&host=/var/run/postgresql')).toEqual([false, undefined]);
  });

  it.each(['?sslmode=vreify-full', '?sslmode=verify-ca', '?sslcert=/nowhere/me.crt'])(
    'refuses %s',
    (query) => {
      expect(() => resolveTarget(`postgresql://u@h/d${query}`, { HOME: '/nowhere' })).toThrow(
        expect.objectContaining({ code: 'configuration' }),
      );
    },
  );

  it('says what is wrong with a certificate that is not there', () => {
    expect(() =>
      resolveTarget('postgresql://u@h/d?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem', {}),
    ).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: expect.stringContaining('/nowhere/ca.pem') as string,
      }),
    );
  });

  it('reads a socket directory', () => {
    const target = resolveTarget('postgresql:///d?host=/var/run/postgresql', {});
    expect(target?.config).toMatchObject({ host: '/var/run/postgresql', database: 'd' });
  });
});
