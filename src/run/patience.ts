import { setTimeout as delay } from 'node:timers/promises';
import { ScaleSeedError } from '../errors.js';
import { isCertificateError } from '../postgres/tls.js';
import type { RunContext } from './context.js';
import { stopwatch } from './stopwatch.js';

const RETRY_MS = 250;

/** Tries again what may come right by itself, until the time is up that a run may wait in all. */
export class Patience {
  readonly #context: RunContext;
  readonly #deadline: number;
  #waiting = 0;
  #waited = 0;
  #clock = stopwatch();

  constructor(context: RunContext, waitMs: number) {
    this.#context = context;
    this.#deadline = performance.now() + waitMs;
  }

  /** Time that passed while anything was waited for, in milliseconds. */
  get waitedMs(): number {
    return this.#waited;
  }

  /** What the first attempt that succeeds comes to, or the error of the last; says once what is waited for. */
  async until<T>(attempt: () => Promise<T>): Promise<T> {
    let announced: string | undefined;
    let stop: (() => void) | undefined;
    try {
      for (;;) {
        try {
          return await attempt();
        } catch (error) {
          if (!canBeWaitedFor(error) || performance.now() + RETRY_MS > this.#deadline) throw error;
          if (error.message !== announced) this.#context.onNotice(`waiting: ${error.message}`);
          announced = error.message;
          stop ??= this.#start();
          await delay(RETRY_MS, undefined, { signal: this.#context.signal });
        }
      }
    } finally {
      stop?.();
    }
  }

  /** Several schemas may be waited for at once: that time counts once. */
  #start(): () => void {
    if (this.#waiting === 0) this.#clock = stopwatch();
    this.#waiting += 1;
    return () => {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#waited += this.#clock();
    };
  }
}

/** Of a server that restarts, as the first of a fresh container does, or that a pooler cannot reach. */
const COMING_BACK = /^(08|57P01|57P02|57P03)/;

/** A server that is coming up gets its tables and rows in time; a wrong password stays wrong. */
function canBeWaitedFor(error: unknown): error is ScaleSeedError {
  if (!(error instanceof ScaleSeedError)) return false;
  const { code, sqlState = '', cause } = error;
  if (sqlState.startsWith('28') || isCertificateError(cause)) return false;
  const lost = code === 'server' && (sqlState === '' || COMING_BACK.test(sqlState));
  return lost || ['connect', 'schema', 'parents'].includes(code);
}
