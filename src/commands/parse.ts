import { InvalidArgumentError, Option } from 'commander';
import { MAX_ROWS } from '../fixtures/fixture.js';
import { MAX_MS } from '../report/units.js';
import { MAX_JOBS } from '../run/options.js';

/** An option that takes one of a few words. */
export function choiceOption(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices);
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration such as `500ms`, `8s`, `1.5m` in milliseconds. */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit ?? ''];
  if (amount === undefined || unitMs === undefined) {
    throw new InvalidArgumentError('write a duration as 500ms, 8s, 2m or 1h.');
  }
  const durationMs = Number(amount) * unitMs;
  if (durationMs > MAX_MS) throw new InvalidArgumentError('write no more than 596h.');
  return durationMs;
}

/** A number of rows: `50000`, `1_000_000`, `50k`, `1m`. */
export function parseRows(text: string): number {
  const [, digits = '', unit = ''] = /^(\d[\d_]*)([km]?)$/i.exec(text) ?? [];
  const zeros = { k: '000', m: '000000' }[unit.toLowerCase()] ?? '';
  return wholeNumber(digits.replaceAll('_', '') + zeros, 0, MAX_ROWS, ', such as 500, 10k or 1m');
}

/** A ratio of times such as `0.9`. */
export function parseRatio(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError('write a number above 0, such as 0.9.');
}

/** A percentage such as `20` or `20%`. */
export function parsePercent(text: string): number {
  const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(text) ?? [];
  if (Number(number) > 0) return Number(number);
  throw new InvalidArgumentError('write a percentage above 0 as 20 or 20%.');
}

/** A number of sessions. */
export function parseJobs(text: string): number {
  return wholeNumber(text, 1, MAX_JOBS);
}

/** A TCP port. */
export function parsePort(text: string): number {
  return wholeNumber(text, 1, 65_535);
}

/** A whole number; `such` says how else it may be written. */
export function wholeNumber(text: string, lowest: number, highest: number, such = ''): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= lowest && number <= highest) return number;
  throw new InvalidArgumentError(`write a whole number from ${lowest} to ${highest}${such}.`);
}
