import { Session } from '../postgres/session.js';
import type { RunContext } from './context.js';
import { watchLocks } from './watch-locks.js';

/** The sessions of a run, each opened when it is first needed and kept until the run ends. */
export class Sessions {
  readonly #context: RunContext;
  readonly #open: Session[] = [];
  readonly #opening = new Map<number, Promise<Session>>();
  /** Ends what is still being opened when all are closed. */
  #closing = new AbortController();
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
    const early = this.#opening.get(slot);
    this.#opening.delete(slot);
    const opened = await early?.catch(() => undefined);
    const usable = opened?.broken === false ? opened : undefined;
    return (this.#open[slot] = usable ?? (await Session.open(target, signal)));
  }

  /** Opens those up to that many in the background: whoever needs one then need not wait for all of a connection. */
  openSoon(count: number): void {
    const { target, signal } = this.#context;
    for (let slot = this.#open.length; slot < count; slot++) {
      if (this.#opening.has(slot)) continue;
      const opening = Session.open(target, AbortSignal.any([signal, this.#closing.signal]));
      // Whoever needs it hears of that, by an attempt of his own.
      opening.catch(() => undefined);
      this.#opening.set(slot, opening);
    }
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

  /** Ends all of them as the run does, without waiting until the server has ended its sides. */
  async leave(): Promise<void> {
    // Not by for ... of, which stops at the hole that one leaves that could not be opened.
    this.#open.splice(0).forEach((session) => {
      session.leave();
    });
    await this.close();
  }

  /** Ends all of them; whoever needs one then gets another. */
  async close(): Promise<void> {
    await this.#endWatch?.();
    this.#endWatch = undefined;
    this.#closing.abort(new DOMException('no longer needed', 'AbortError'));
    const early = [...this.#opening.values()].map((opening) =>
      opening.then(
        (session) => session.close(),
        () => undefined,
      ),
    );
    this.#opening.clear();
    this.#closing = new AbortController();
    await Promise.all([...early, ...this.#open.splice(0).map((session) => session.close())]);
  }
}

/** Gives `work` a session of its own, which is closed however that ends, and says whose locks it waits for. */
export async function withSession<T>(
  { target, signal, onNotice }: Pick<RunContext, 'target' | 'signal' | 'onNotice'>,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await Session.open(target, signal);
  session.onWait = onNotice;
  const endWatch = watchLocks(target, [session]);
  try {
    return await work(session);
  } finally {
    await endWatch();
    await session.close();
  }
}
