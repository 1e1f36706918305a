import { hasState, refusal, type ScaleSeedError } from '../errors.js';
import type { Session } from '../postgres/session.js';

/**
 * A pattern as pg_dump's `-n` takes it, as a regular expression of PostgreSQL's: `*` and `?` stand for any characters and
 * for one, letters from A to Z are folded to lower case, and what stands in double quotes is taken as it is. Other characters
 * mean what they mean in a regular expression, so `fleet_[0-9]+` and `red|blue` work too.
 */
function schemaPattern(pattern: string): { regex: string; isName: boolean } {
  let regex = '';
  let quoted = false;
  let isName = true;
  const characters = Array.from(pattern);
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === '"' && quoted && characters[i + 1] === '"') regex += characters[++i]!;
    else if (character === '"') quoted = !quoted;
    else if (quoted || character === '$') regex += escape(character);
    else if (character === '.') throw badPattern(pattern, 'it names more than a schema');
    else {
      isName &&= !/[*?|()[\]{}+^\\]/.test(character);
      regex +=
        { '*': '.*', '?': '.' }[character] ?? character.replace(/[A-Z]/, (capital) => capital.toLowerCase());
    }
  }
  if (quoted) throw badPattern(pattern, 'its quotes are not closed');
  if (regex === '') throw badPattern(pattern, 'it is empty');
  return { regex: `^(${regex})$`, isName };
}

/** The schemas that patterns choose, each once, in the order of the patterns and of their names. */
export async function resolveSchemas(session: Session, patterns: readonly string[]): Promise<string[]> {
  const parsed = patterns.map(schemaPattern);
  const finding = session.query<{ name: string; pattern: number }>(
    `select n.nspname as name, p.i::int as pattern
     from unnest($1::text[], $2::bool[]) with ordinality as p (regex, is_name, i)
       join pg_namespace as n on n.nspname ~ p.regex collate pg_catalog.default
     where p.is_name or (n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
     order by p.i, n.nspname collate "C"`,
    [parsed.map(({ regex }) => regex), parsed.map(({ isName }) => isName)],
  );
  const { rows } = await finding.catch((error: unknown) => {
    throw hasState(error, /^2201B/) ? badPattern(patterns.join(', '), error.message) : error;
  });
  const unmatched = patterns.filter((_, index) => !rows.some(({ pattern }) => pattern === index + 1));
  if (unmatched.length > 0)
    throw refusal(
      `there is no schema ${unmatched.join(', ')}`,
      'create it, and let certctl-server migrate it: it takes search_path in its database URL; or --wait for it',
      { code: 'schema', phase: 'prepare' },
    );
  return [...new Set(rows.map(({ name }) => name))];
}

function escape(character: string): string {
  return character.replace(/[^\w\s]/u, '\\$&');
}

function badPattern(pattern: string, what: string): ScaleSeedError {
  return refusal(
    `the schema ${pattern} cannot be used: ${what}`,
    'write a name, or a pattern as pg_dump -n takes it: fleet_*; a name with capitals or signs in double quotes: \'"Fleet 1"\'',
  );
}
