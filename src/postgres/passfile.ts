import { readFileSync, statSync, type Stats } from 'node:fs';
import { messageOf } from '../errors.js';

/**
 * The password of the first line `host:port:database:user:password` whose every field is the login's or `*`, as libpq
 * reads it: a file that is not there holds none, and one that is open to others is passed over with a warning.
 */
export function findPassword(
  file: string,
  login: readonly string[],
  warn: (message: string) => void,
): string | undefined {
  const found = statOf(file);
  if (found === undefined) return undefined;
  try {
    if (!found.isFile()) throw new Error('it is no plain file');
    if (process.getuid !== undefined && (found.mode & 0o077) !== 0)
      throw new Error('others may read it, so chmod 600 it');
    return passwordOf(readFileSync(file, 'utf8'), login);
  } catch (error) {
    warn(`the password file ${file} is passed over: ${messageOf(error)}`);
    return undefined;
  }
}

/** Undefined for a file that is not there, or in a folder that is somebody else's: HOME need not be the user's own. */
function statOf(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function passwordOf(text: string, login: readonly string[]): string | undefined {
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const rest = login.reduce<string | undefined>(pastField, line.replace(/\r+$/, ''));
    // What follows the password is nobody's business.
    if (rest !== undefined) return /^(?:\\.|[^:])*/s.exec(rest)?.[0].replace(/\\(.)/gs, '$1');
  }
  return undefined;
}

/** What follows a field that is `*` or the value, in which a backslash may stand before any character. */
function pastField(line: string | undefined, value: string): string | undefined {
  if (line?.startsWith('*:')) return line.slice(2);
  let end = 0;
  for (const character of value) {
    if (line?.[end] === '\\') end++;
    if (!line?.startsWith(character, end)) return undefined;
    end += character.length;
  }
  return line?.[end] === ':' ? line.slice(end + 1) : undefined;
}
