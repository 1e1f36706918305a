import type { ColumnType } from '../fixtures/fixture.js';
import { arrayLiteral } from './array-literal.js';
import { microsecondsAfter, secondsText } from './timestamp.js';

/** A value as COPY's CSV wants it: text, or null for SQL NULL. Throws TypeError for a value that the type can't hold. */
export type Encoder = (value: unknown) => string | null;

/**
 * The encoder of a column. Without an anchor a `timestamptz after anchor` becomes seconds, which a staging column of
 * type interval reads; with one (microseconds since 1970) it becomes the time itself.
 */
export function encoderFor(type: ColumnType, anchorUs?: bigint): Encoder {
  const encode = scalarOrArray(type.toLowerCase(), anchorUs);
  return (value) => (value === null || value === undefined ? null : encode(value));
}

/** Type of the staging column that receives what {@link encoderFor} writes without an anchor. */
export function stagingType(type: ColumnType): string {
  return type === 'timestamptz after anchor' ? 'interval' : type;
}

function scalarOrArray(type: string, anchorUs: bigint | undefined): (value: unknown) => string {
  if (type.endsWith('[]')) {
    const element = encoderFor(type.slice(0, -2), anchorUs);
    return (value) => arrayLiteral(value, element);
  }
  switch (type) {
    case 'timestamptz after anchor':
      return anchorUs === undefined ? remember(secondsText) : remember(microsecondsAfter(anchorUs));
    case 'timestamptz':
    case 'timestamp':
      return dateText;
    case 'date':
      return (value) => dateText(value).slice(0, value instanceof Date ? 10 : undefined);
    case 'json':
    case 'jsonb':
      return jsonText;
    case 'boolean':
      return booleanText;
    case 'bytea':
      return byteaText;
    default:
      return plainText;
  }
}

function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  throw new TypeError(`text or a number is wanted, not ${describe(value)}`);
}

function booleanText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 't' : 'f';
  throw new TypeError(`true or false is wanted, not ${describe(value)}`);
}

function jsonText(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`${describe(value)} has no JSON`);
  return text;
}

function byteaText(value: unknown): string {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  throw new TypeError(`a Uint8Array is wanted, not ${describe(value)}`);
}

function dateText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  throw new TypeError(`a valid Date or text is wanted, not ${describe(value)}`);
}

/** Fleets hang thousands of rows on a few offsets: most of their times have been written before. */
function remember(write: (value: number | bigint) => string): (value: unknown) => string {
  const known = new Map<number | bigint, string>();
  return (value) => {
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) {
      throw new TypeError(`whole microseconds after the anchor are wanted, not ${describe(value)}`);
    }
    const offset = value as number | bigint;
    const before = known.get(offset);
    if (before !== undefined) return before;
    const text = write(offset);
    if (known.size < 10_000) known.set(offset, text);
    return text;
  };
}

function describe(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Date) return 'an invalid Date';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
