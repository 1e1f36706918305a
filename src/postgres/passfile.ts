import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf, ScaleSeedError } from '../errors.js';

interface Login {
  host: string;
  port: number;
  database: string | undefined;
  user: string | undefined;
}

/**
 * The password of a login that its password file holds, or else (where neither the URL nor PGPASSWORD gives one) that of
 * PGPASSFILE, or ~/.pgpass where that is there.
 *
 * @throws ScaleSeedError `configuration` when the file cannot be read, or can be by others.
 */
export function findPassword(
  passfile: string | null,
  env: Readonly<Record<string, string | undefined>>,
  login: Login,
): string | undefined {
  if (passfile) return passwordFrom(passfile, login);
  if (env.PGPASSWORD) return undefined;
  if (env.PGPASSFILE) return passwordFrom(env.PGPASSFILE, login);
  const usual = join(env.HOME ?? homedir(), '.pgpass');
  return existsSync(usual) && !isOpen(usual) ? passwordFrom(usual, login) : undefined;
}

/** Four fields, in which a colon or backslash is escaped, and the password: the rest of the line. */
const LINE = new RegExp(`^${'((?:\\\\.|[^:\\\\])*):'.repeat(4)}(.+)$`);

/**
 * The password of the first line `host:port:database:user:password` whose every field is the login's or `*`, as libpq
 * reads it.
 */
function passwordFrom(file: string, login: Login): string | undefined {
  const wanted = [login.host, String(login.port), login.database, login.user];
  for (const line of read(file).split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = (LINE.exec(line) ?? []).slice(1).map((field) => field.replace(/\\(.)/g, '$1'));
    if (fields.length > 0 && wanted.every((value, i) => fields[i] === '*' || fields[i] === value))
      return fields[4];
  }
  return undefined;
}

function read(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    // libpq passes over such a file with a warning, and then says that there is no password.
    if (isOpen(file)) throw new Error(`others may read ${file}`);
    return text;
  } catch (error) {
    throw new ScaleSeedError(`the password file cannot be used: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      hint: 'check passfile in the database URL, or PGPASSFILE; the file has to be closed to others: chmod 600',
    });
  }
}

function isOpen(file: string): boolean {
  return process.getuid !== undefined && (statSync(file).mode & 0o077) !== 0;
}
