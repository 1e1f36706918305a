import {
  countingKey,
  identityOf,
  numberedValue,
  type Fixture,
  type NumberedKey,
} from '../fixtures/fixture.js';
import { literal, quote } from '../postgres/quote.js';
import { columnOf, exactly, isExact, type TableInfo } from './inspect-table.js';
import { escapeLike } from './marks.js';

/** The keys that identify a fixture's rows. */
export interface Keys {
  /** A condition that holds where columns, as SQL and in the order of the key, are one of them. */
  hold: (columns: readonly string[]) => string;
}

/**
 * Keys that count are known without sending a row, and take a quarter of the time of a join. Undefined where they do not
 * count, or where the column takes other texts for the same.
 */
export function countedKeys(fixture: Fixture, table: TableInfo): Keys | undefined {
  const counting = countingKey(fixture);
  if (counting === undefined) return undefined;
  const { uncut, collate } = columnOf(table, counting.column);
  if (collate !== '' || !['text', 'character varying'].includes(uncut)) return undefined;
  const { key } = counting;
  return {
    hold: ([column = '']) => countedCondition(key, fixture.count, column, literal, table.distributed),
  };
}

/**
 * A condition that holds for texts that are the key of one of so many rows; `put` makes SQL of a value. An `immutable` one
 * calls no function that is less than that, as Citus wants it of what chooses the rows of an UPDATE or a DELETE.
 */
export function countedCondition(
  key: NumberedKey,
  count: number,
  column: string,
  put: (text: string) => string,
  immutable = false,
): string {
  const text = `${column}::text`;
  const [first, last] = [numberedValue(key, 1), numberedValue(key, count)];
  // Bytes, not text: rtrim() of a text looks at its characters one by one, and takes three times as long.
  const [whole, length, suffixLength, prefix] = immutable
    ? [text, 'length', Array.from(key.suffix).length, put(key.prefix)]
    : [
        `textsend(${text})`,
        'octet_length',
        Buffer.byteLength(key.suffix),
        `${put(`\\x${Buffer.from(key.prefix).toString('hex')}`)}::bytea`,
      ];
  const bare = suffixLength === 0 ? whole : `substr(${whole}, 1, ${length}(${text}) - ${suffixLength})`;
  const conditions = [
    `octet_length(${text}) = ${Buffer.byteLength(first)}`,
    `${text} collate "C" between ${put(first)} and ${put(last)}`,
    `rtrim(${bare}, '0123456789') = ${prefix}`,
    ...(key.suffix === '' ? [] : [`${text} collate "C" like ${put(`%${escapeLike(key.suffix)}`)}`]),
  ];
  return `(${conditions.join(' and ')})`;
}

/** The keys of a relation that has their columns. */
export function keysIn(relation: string, fixture: Fixture, table: TableInfo): Keys {
  const identity = identityOf(fixture);
  const exact = (column: string, sql: string): string => (isExact(table, column) ? sql : exactly(sql));
  const columns = identity.map((column) => exact(column, quote(column)));
  return {
    hold: (found) => {
      const held = found.map((sql, i) => exact(identity[i]!, sql));
      return `(${held.join(', ')}) in (select ${columns.join(', ')} from ${relation})`;
    },
  };
}
