import { createHash, type Hash } from 'node:crypto';
import type { ScaleSeedError } from '../errors.js';
import { ANCHORED, fixtureError, type Fixture } from '../fixtures/fixture.js';
import { encoderFor } from '../fixtures/column-types.js';
import { encodeVarying } from './encode-rows.js';

/** Bytes that wait before any is hashed: Node loads its cryptography for that, 5 ms, while the server merges rows. */
const MAX_WAITING_BYTES = 256 * 1024;

/**
 * A running SHA-256 over a line of JSON with what all rows share, then the columns that vary as the CSV that is sent, times
 * of the anchor's in seconds after it. That costs 0.06 us a row; a canonical form of its own cost more than the encoding.
 */
export class Fingerprint {
  #hash: Hash | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #digest: string | undefined;

  constructor({ table, columns, derived, constants }: Fixture) {
    const sent = Object.entries(constants).map(([name, { type, value }]) => [
      name,
      { type, value: sentValue(type, value) },
    ]);
    const shared = JSON.stringify({
      table,
      columns,
      derived,
      constants: Object.fromEntries(sent) as unknown,
    });
    this.add(Buffer.from(`${shared}\n`));
  }

  add(csv: Buffer): void {
    if (this.#hash !== undefined) {
      this.#hash.update(csv);
      return;
    }
    this.#waiting.push(csv);
    this.#waitingBytes += csv.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#start();
  }

  /** `sha256:` and 64 hexadecimal digits; nothing can be added afterwards. */
  digest(): string {
    this.#digest ??= `sha256:${(this.#hash ?? this.#start()).digest('hex')}`;
    return this.#digest;
  }

  #start(): Hash {
    const hash = (this.#hash = createHash('sha256'));
    for (const csv of this.#waiting.splice(0)) hash.update(csv);
    return hash;
  }
}

/** What is sent for a constant; an object or array of JSON as itself, and a time after the anchor as its number. */
function sentValue(type: string, value: unknown): unknown {
  const text = encoderFor(type)(value);
  if (text !== null && type === ANCHORED) {
    const microseconds = Number(value);
    return Number.isSafeInteger(microseconds) ? microseconds : text;
  }
  return /^jsonb?$/i.test(type) && /^[[{]/.test(text ?? '') ? JSON.parse(text!) : text;
}

/** The fingerprint of a whole fixture; a frozen one is taken at its word, which a test holds against its rows. */
export async function fingerprintOf(fixture: Fixture): Promise<string> {
  return fixture.frozenFingerprint ?? (await computeFingerprint(fixture));
}

/** The fingerprint of a whole fixture, from its rows. */
export async function computeFingerprint(fixture: Fixture): Promise<string> {
  const fingerprint = new Fingerprint(fixture);
  for await (const { bytes } of encodeVarying(fixture)) fingerprint.add(bytes);
  return fingerprint.digest();
}

/** The error of a fixture whose rows differ from one generation to the next: they can be neither verified nor put back. */
export function unrepeatable(fixture: Fixture): ScaleSeedError {
  const problem = 'its rows differ from one generation to the next, so that none can be known again';
  const hint =
    "make every value out of the row's number: no Math.random, no clock, nothing that was counted before";
  return fixtureError(fixture, problem, { hint });
}

/** The error of a fixture that is not what it was when its fingerprint was taken. */
export function thawed(fixture: Fixture, found: string): ScaleSeedError {
  const { frozenFingerprint = '' } = fixture;
  const problem = `its rows have the fingerprint ${found}, and were frozen with ${frozenFingerprint}`;
  const hint = 'give changed rows a name of their own, or leave frozenFingerprint out';
  return fixtureError(fixture, problem, { hint });
}
