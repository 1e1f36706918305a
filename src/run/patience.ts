import { setTimeout as delay } from 'node:timers/promises';
import { ScaleSeedError } from '../errors.js';
import { isCertificateError } from '../postgres/tls.js';
import { isLoginError } from '../postgres/translate-error.js';
import { nowMs } from '../report/clock.js';
import type { RunContext } from './context.js';

const RETRY_MS = 250;

/** Tries again what may come right by itself, until the time is up that a run may wait in all. */
export class Patience {
  readonly #context: RunContext;
  readonly #deadline: number;
  #waitedMs = 0;
  #countedUpTo = 0;

  constructor(context: RunContext, waitMs: number) {
    this.#context = context;
    this.#deadline = nowMs() + waitMs;
  }

  /** Time that passed before the attempts that succeeded, in milliseconds. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** What the first attempt that succeeds comes to, or the error of the last; says once what is waited for. */
  async until<T>(attempt: () => Promise<T>): Promise<T> {
    const startMs = nowMs();
    for (let announced: string | undefined; ;) {
      try {
        return await attempt();
      } catch (error) {
        if (!canBeWaitedFor(error) || nowMs() + RETRY_MS > this.#deadline) throw error;
        if (error.message !== announced) this.#context.onNotice(`waiting: ${error.message}`);
        announced = error.message;
        await delay(RETRY_MS, undefined, { signal: this.#context.signal });
        this.#countSince(startMs);
      }
    }
  }

  /** Several schemas may be waited for at once: that time counts once. */
  #countSince(startMs: number): void {
    const endMs = nowMs();
    this.#waitedMs += endMs - Math.max(startMs, this.#countedUpTo);
    this.#countedUpTo = endMs;
  }
}

/** Of a server that restarts, as the first of a fresh container does, or that a pooler cannot reach. */
const COMING_BACK = /^(08|57P01|57P02|57P03)/;

/** A server that is coming up gets its tables and rows in time; a wrong password stays wrong. */
function canBeWaitedFor(error: unknown): error is ScaleSeedError {
  if (!(error instanceof ScaleSeedError)) return false;
  const { code, sqlState = '', cause } = error;
  if (sqlState.startsWith('28') || isCertificateError(cause) || isLoginError(cause)) return false;
  const lost = code === 'server' && (sqlState === '' || COMING_BACK.test(sqlState));
  return lost || ['connect', 'schema', 'parents'].includes(code);
}
