/** Seconds with their microseconds, as the interval type reads them. */
export function secondsText(microseconds: number | bigint): string {
  const us = BigInt(microseconds);
  const magnitude = us < 0n ? -us : us;
  const sign = us < 0n ? '-' : '';
  const fraction = magnitude % 1_000_000n;
  const seconds = `${sign}${magnitude / 1_000_000n}`;
  return fraction === 0n ? seconds : `${seconds}.${String(fraction).padStart(6, '0')}`;
}

/** A writer of times after an anchor, both in microseconds. */
export function microsecondsAfter(anchorUs: bigint): (microseconds: number | bigint) => string {
  return (microseconds) => timestampText(anchorUs + BigInt(microseconds));
}

/** A time in UTC, to the microsecond, as ISO 8601 and timestamptz both read it. */
export function timestampText(epochUs: bigint): string {
  const fraction = ((epochUs % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (epochUs - fraction) / 1_000_000n;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, -5);
  return `${whole}.${String(fraction).padStart(6, '0')}Z`;
}

/** Microseconds since 1970 of an ISO 8601 time with up to six digits of a second; undefined if it is none. */
export function parseTimestamp(text: string): bigint | undefined {
  const match = /^(.+?)(?:\.(\d{1,6}))?(Z|[+-]\d\d:?\d\d)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, whole = '', fraction = '', zone = 'Z'] = match;
  const ms = Date.parse(whole + zone);
  // To Date.parse the 30th of February is a day of March.
  const [year = 0, month = 0, day = 1] = whole.split(/[-T ]/).map(Number);
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1000n + BigInt(fraction.padEnd(6, '0'));
}
