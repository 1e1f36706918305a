/** Timers of Node's and PostgreSQL's go no further: 596 hours, in milliseconds. */
export const MAX_MS = 2 ** 31 - 1;

/** Milliseconds for people: `38 ms`, `1.42 s`, `2 min 5 s`, `3 h 12 min`, `9 d 4 h`. */
export function formatMs(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toFixed(2)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A whole number with thousands apart: `10,000`. Intl would take 10 ms to start, in a process that takes 250. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 row`, `10,000 rows`. */
export function formatRows(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'row' : 'rows'}`;
}

/** `trigger act`, `triggers act, audit`. */
export function nameAll(what: string, names: readonly string[]): string {
  const plural = what.endsWith('x') ? 'es' : 's';
  return `${what}${names.length === 1 ? '' : plural} ${names.join(', ')}`;
}

/** Rows of other tables, and what becomes of them where they are not deleted. */
export function listRows(rows: readonly { table: string; rows: number; effect?: string }[]): string {
  const of = rows.map(({ table, rows: count, effect = 'deleted' }) => {
    const changed = effect === 'deleted' ? '' : `, which are ${effect.replace('set', 'set to')}`;
    return `${formatRows(count)} of ${table}${changed}`;
  });
  return of.join('; ');
}

/** Columns, and in how many rows each differs. */
export function listColumns(columns: readonly { column: string; rows: number }[]): string {
  return columns.map(({ column, rows }) => `${column} in ${formatRows(rows)}`).join(', ');
}

/** What of every row was held against a fresh load. */
export function everyColumn(fixtures: readonly { notCompared: readonly string[] }[]): string {
  return fixtures.some(({ notCompared }) => notCompared.length > 0)
    ? 'every compared column'
    : 'every column';
}

/** A text out of the database in one line: a line of its own could be taken for a command, by GitHub or a terminal. */
export function inOneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) => {
    const escaped = JSON.stringify(character).slice(1, -1);
    return escaped === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : escaped;
  });
}

/** The first digits of a fingerprint, enough to tell two apart by eye. */
export function shortFingerprint(fingerprint: string): string {
  return fingerprint.slice(0, 'sha256:'.length + 12);
}

/** A ratio of two times. */
export function formatRatio(ratio: number): string {
  return unlessZero(ratio, ratio.toFixed(2));
}

/** An amount as it was rounded; where that leaves nothing of it, by its first two digits. */
export function unlessZero(amount: number, shown: string): string {
  return Number(shown) === 0 ? String(Number(amount.toPrecision(2))) : shown;
}

/** Whole seconds as a clock shows them: `0:07`, `12:05`, `3:00:00`. */
export function formatClock(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = String(seconds % 60).padStart(2, '0');
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${String(minutes).padStart(2, '0')}:${rest}`;
}
