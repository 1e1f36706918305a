import { messageOf, ScaleSeedError } from '../errors.js';
import type { Session } from '../postgres/session.js';
import { orAborted } from '../run/or-aborted.js';
import type { Step } from '../run/step.js';

interface Agreement<Foreseen, Done> {
  /** What would be done by now, and no less than was found the last time. */
  foresee: (found?: Foreseen) => Promise<Foreseen>;
  agree: (foreseen: Foreseen) => Promise<boolean>;
  /** Does it; where more is done by it than was foreseen, that is undone for another answer. */
  act: (foreseen: Foreseen) => Promise<{ done: Done } | { more: Foreseen }>;
  refused: (foreseen: Foreseen) => Done;
}

/**
 * Asks, and does what was agreed to. Whatever has to be locked for that is locked only after the answer, and what was
 * looked at for the question is let go of: until the answer only other scale-seeds wait, for the fixture's turn.
 */
export async function untilAgreed<Foreseen, Done>(
  { session, tell }: Step,
  { foresee, agree, act, refused }: Agreement<Foreseen, Done>,
): Promise<Done> {
  for (let found: Foreseen | undefined; ;) {
    await session.query('savepoint agreed');
    const foreseen = await foresee(found);
    await session.query('rollback to savepoint agreed');
    if (!(await agree(foreseen))) return refused(foreseen);
    const acted = await act(foreseen);
    if ('done' in acted) return acted.done;
    found = acted.more;
    await session.query('rollback to savepoint agreed');
    tell('more would go than was foreseen: rows were added, or triggers reach further');
  }
}

/** The options of a run in which somebody may be asked: one question at a time. */
export function oneByOne<Options extends { confirm?: unknown; jobs?: number | undefined }>(
  options: Options,
): Options {
  return options.confirm === undefined ? options : { ...options, jobs: 1 };
}

/** The caller's answer. */
export async function ask<Plan>(
  { signal, phase }: Session,
  confirm: (plan: Plan, signal: AbortSignal) => Promise<boolean>,
  plan: Plan,
): Promise<boolean> {
  try {
    const answer: unknown = await orAborted(Promise.resolve(confirm(plan, signal)), signal);
    return answer === true;
  } catch (error) {
    if (signal.aborted || error instanceof ScaleSeedError) throw error;
    const hint = 'nothing was agreed to: mend what is passed as confirm';
    const message = `confirm has thrown: ${messageOf(error)}`;
    throw new ScaleSeedError(message, { code: 'usage', phase, hint, cause: error });
  }
}
