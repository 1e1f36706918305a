import { availableParallelism } from 'node:os';
import { ScaleSeedError } from '../errors.js';
import { Session } from '../postgres/session.js';
import type { RunContext } from './context.js';
import { watchLocks } from './watch-locks.js';

/**
 * How many sessions are at work at once: what was asked for, else one for each processor and two at least.
 *
 * @throws ScaleSeedError `usage` for what is no whole number above 0.
 */
export function jobsOf(asked: number | undefined): number {
  if (asked === undefined) return Math.max(2, availableParallelism());
  if (Number.isSafeInteger(asked) && asked > 0) return asked;
  throw new ScaleSeedError(`jobs must be a whole number from 1, not ${asked}`, {
    code: 'usage',
    phase: 'configure',
  });
}

/** The sessions of a run, each opened when it is first needed and kept until the run ends. */
export class Sessions {
  readonly #context: RunContext;
  readonly #open: Session[] = [];
  #endWatch: (() => Promise<void>) | undefined;

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** The session of that number, or another in its place where its connection is gone. */
  async at(slot: number): Promise<Session> {
    const { target, signal } = this.#context;
    const kept = this.#open[slot];
    if (kept !== undefined && !kept.broken) return kept;
    await kept?.close();
    this.#endWatch ??= watchLocks(target, this.#open);
    return (this.#open[slot] = await Session.open(target, signal));
  }

  /** Does `work` for each item on some session, `jobs` at a time, started in order; `work` must not reject. */
  async each<Item>(
    items: readonly Item[],
    jobs: number,
    work: (item: Item, session: () => Promise<Session>) => Promise<void>,
  ): Promise<void> {
    const queue = items.values();
    const worker = async (slot: number): Promise<void> => {
      for (const item of queue) await work(item, () => this.at(slot));
    };
    const size = Math.min(jobs, items.length);
    await Promise.all(Array.from({ length: size }, (_, slot) => worker(slot)));
  }

  /** Ends all of them; whoever needs one then gets another. */
  async close(): Promise<void> {
    await this.#endWatch?.();
    this.#endWatch = undefined;
    await Promise.all(this.#open.splice(0).map((session) => session.close()));
  }
}
