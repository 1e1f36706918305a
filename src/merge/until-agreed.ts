import type { Step } from '../run/step.js';

/**
 * Asks, and does what was agreed to. Whatever has to be locked for that is locked only after the answer, so that nobody
 * waits for somebody who thinks; where `act` finds that by then more would be done it returns nothing, and all that it did
 * is undone for another answer.
 */
export async function untilAgreed<Asked, Done>(
  { context, session, fixture }: Step,
  ask: () => Promise<Asked>,
  act: (asked: Asked) => Promise<Done | undefined>,
): Promise<Done> {
  for (;;) {
    const asked = await ask();
    await session.query('savepoint agreed');
    const done = await act(asked);
    if (done !== undefined) return done;
    await session.query('rollback to savepoint agreed');
    context.onNotice(`${fixture.name}: rows were added in the meantime, and more would go now`);
  }
}
