import { expand } from 'brace-expansion';
import { ScaleSeedError } from '../errors.js';

/** Schemas that one run may name. */
const MAX_SCHEMAS = 10_000;

/**
 * The schemas that a list names, each once, in order: `a,b`, `fleet_{01..16}`, `fleet_{red,blue}`. A name that holds a
 * comma or a brace, or begins with a quote or a space, is put in double quotes as in SQL; others are taken as they are.
 *
 * @throws ScaleSeedError `usage` for a list that is malformed or too long.
 */
export function expandSchemas(list: string): string[] {
  const names = [...new Set(splitAtCommas(list).flatMap(namesOf))];
  if (names.length > MAX_SCHEMAS) throw badList(`it names more than ${MAX_SCHEMAS} schemas`);
  return names;
}

/** Splits at commas outside of braces and of names in quotes. */
function splitAtCommas(list: string): string[] {
  const parts = [''];
  let depth = 0;
  let quoted = false;
  for (const character of list) {
    const part = parts.at(-1) ?? '';
    const inQuotes = /^\s*"/.test(part);
    if (character === '"' && (inQuotes || part.trim() === '')) quoted = !quoted;
    else if (!quoted && character === '{') depth += 1;
    else if (!quoted && character === '}') depth -= 1;
    if (depth < 0) break;
    if (character === ',' && !quoted && depth === 0) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${character}`);
  }
  if (depth !== 0) throw badList('its braces are not balanced');
  return parts;
}

function namesOf(part: string): string[] {
  const text = part.trim();
  if (text.startsWith('"')) {
    const [, name] = /^"((?:[^"]|"")+)"$/.exec(text) ?? [];
    if (name === undefined) throw badList('a quoted name is not closed, or is empty');
    return [name.replaceAll('""', '"')];
  }
  // A backslash escapes only where there is a brace to escape.
  const names = text.includes('{') ? expand(text, { max: MAX_SCHEMAS + 1 }) : [text];
  if (names.some((name) => /[{}]/.test(name))) throw badList(`${text} is no pattern`);
  if (names.includes('')) throw badList('a name is empty');
  return names;
}

function badList(what: string): ScaleSeedError {
  return new ScaleSeedError(`the list of schemas cannot be used: ${what}`, {
    code: 'usage',
    phase: 'configure',
    hint: 'write it as a,b or fleet_{01..16}; a name with a comma or brace in it as in SQL: "a,b"',
  });
}
