import type { Step } from '../run/step.js';

/**
 * Asks, and does what was agreed to. Whatever has to be locked for that is locked only after the answer, so that nobody
 * waits for somebody who thinks; where `act` finds that more is done by it, it returns that, and all that it did is undone
 * for another answer, to what was foreseen and what was found.
 */
export async function untilAgreed<Asked, Found, Done>(
  { context, session, fixture }: Step,
  ask: (found?: Found) => Promise<Asked>,
  act: (asked: Asked) => Promise<{ done: Done } | { more: Found }>,
): Promise<Done> {
  for (let found: Found | undefined; ;) {
    const asked = await ask(found);
    await session.query('savepoint agreed');
    const acted = await act(asked);
    if ('done' in acted) return acted.done;
    found = acted.more;
    await session.query('rollback to savepoint agreed');
    context.onNotice(
      `${fixture.name}: more would go than was foreseen: rows were added, or triggers reach further`,
    );
  }
}
