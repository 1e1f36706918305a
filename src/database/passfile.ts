import { readFileSync } from 'node:fs';
import { messageOf, ScaleSeedError } from '../errors.js';

interface Login {
  host: string;
  port: number;
  database: string | undefined;
  user: string | undefined;
}

/**
 * The password that a libpq password file holds for a login: the first line `host:port:database:user:password` whose
 * every field is the login's or `*`.
 *
 * @throws ScaleSeedError `configuration` when the file cannot be read.
 */
export function passwordFrom(file: string, login: Login): string | undefined {
  const wanted = [login.host, String(login.port), login.database, login.user];
  for (const line of read(file).split('\n')) {
    if (line.startsWith('#')) continue;
    const fields = (line.match(/(?:\\.|[^:\\])+/g) ?? []).map((field) => field.replace(/\\(.)/g, '$1'));
    if (fields.length === 5 && wanted.every((value, i) => fields[i] === '*' || fields[i] === value))
      return fields[4];
  }
  return undefined;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ScaleSeedError(`the password file cannot be read: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      hint: 'check passfile in the database URL',
    });
  }
}
