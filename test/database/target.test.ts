import { describe, expect, it } from 'vitest';
import { resolveTarget } from '../../src/database/target.js';

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

  it('falls back to plain text only where libpq would', () => {
    const fallsBack = (query: string): boolean | undefined =>
      resolveTarget(`postgresql://u@h/d${query}`, {})?.plaintextFallback;
    expect([fallsBack(''), fallsBack('?sslmode=prefer'), fallsBack('?sslmode=require')]).toEqual([
      true,
      true,
      false,
    ]);
  });

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
